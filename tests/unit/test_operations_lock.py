"""The lock of the host and those of owners: who waits for whom, and that it is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.reporter import FakeReporter
from weave_cli.error_codes import NoticeCode
from weave_cli.operations import lock
from weave_cli.operations.lock import alone_with, exclusively
from weave_cli.operations.lock_holder import find_holder

pytestmark = pytest.mark.unit

_HOLD: Final = """
import sys
from pathlib import Path
from tests.fakes.reporter import FakeReporter
from weave_cli.operations.lock import alone_with, exclusively
path, owner = Path(sys.argv[1]), sys.argv[2]
lock = alone_with(owner, FakeReporter(), path=path) if owner else exclusively(FakeReporter(), path=path)
with lock:
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(path: Path, program: Path, owner: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process, which looks like `weave attach`, has the lock until the end or its stdin closes."""
    program.write_text(_HOLD)
    words = [sys.executable, str(program), str(path), owner, "--flag", "secret"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weave.lock"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return tmp_path / "weave"


def test_who_holds_a_lock_is_found_and_its_arguments_are_not_told(path: Path, program: Path) -> None:
    with held(path, program) as process:
        assert find_holder(path, None) == f"'weave {path}' (pid {process.pid})"
        assert find_holder(path, 7) is None
    with exclusively(FakeReporter(), path=path) as has_waited:
        assert not has_waited
        assert find_holder(path, None) is None, "that is us"


def test_whoever_waits_is_told_for_whom_and_that_it_waited(
    path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.0)
    for owner in ("", "4711"):
        with held(path, program, owner) as process:
            reporter = _Ending(process)
            waiting = alone_with(owner, reporter, path=path) if owner else exclusively(reporter, path=path)
            with waiting as has_waited:
                pass
            assert reporter.notices == [f"waiting for 'weave {path}' (pid {process.pid}) to end"]
            assert has_waited or owner


def test_a_short_wait_is_told_on_terminals_only(path: Path, program: Path) -> None:
    with held(path, program) as process:
        reporter = _Ending(process, at_progress=True)
        with exclusively(reporter, path=path) as has_waited:
            assert has_waited
        assert reporter.notices == []


def test_owners_do_not_wait_for_each_other_nor_for_the_host(path: Path, program: Path) -> None:
    with held(path, program, "4711"):
        reporter = FakeReporter()
        with alone_with("4712", reporter, path=path), exclusively(reporter, path=path) as has_waited:
            assert not has_waited
        assert reporter.notices == []


class _Ending(FakeReporter):
    """Lets the holder end once somebody waits for it."""

    def __init__(self, process: subprocess.Popen[str], *, at_progress: bool = False) -> None:
        super().__init__()
        self._process = process
        self._at_progress = at_progress

    def progress(self, text: str) -> None:
        super().progress(text)
        if self._at_progress:
            self._end()

    def notice(self, text: str, code: NoticeCode = NoticeCode.NOTE) -> None:
        super().notice(text, code)
        self._end()

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
