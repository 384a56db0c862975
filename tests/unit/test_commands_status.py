"""`weave status` that draws and renews itself, against a router's answers and on a real terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.mesh_reports import mesh_report
from tests.fakes.router_http import FakeRouterApi, serving
from weave_cli.commands import tree

pytestmark = pytest.mark.unit

Output = pytest.CaptureFixture[str]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRouterApi]:
    answers = {
        "GET /report": (200, json.dumps(mesh_report(3, by_sleeve={3}))),
        "GET /status/connections": (200, "-> 10.0.0.2:6783 established\n"),
        "GET /status": (200, "        Version: 0.1.0\n"),
    }
    with serving(answers) as served:
        monkeypatch.setenv("WEAVE_HTTP_ADDR", served.address)
        yield served


def test_topology_is_drawn(api: FakeRouterApi, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert tree.run(["status", "topology"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.startswith("3 hosts as host1 sees them: 3 of 3 links are there.\n\nhost1 (")
    assert "host3  sleeve   0.30 ms  10.0.0.3:6783" in output.out
    assert "\x1b" not in output.out


def test_topology_for_programs(api: FakeRouterApi, capsys: Output) -> None:
    assert tree.run(["status", "topology", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["kind"], len(document["data"]["links"])) == ("Topology", 3)


def test_pictures_go_where_they_are_wanted(api: FakeRouterApi, capsys: Output, tmp_path: Path) -> None:
    path = tmp_path / "mesh.svg"
    assert tree.run(["status", "topology", "--svg", str(path)]) == 0
    assert capsys.readouterr() == ("", "")
    assert path.read_text().startswith("<svg ")
    assert tree.run(["status", "topology", "--svg=-"]) == 0
    assert capsys.readouterr().out == path.read_text()
    assert tree.run(["status", "topology", "--dot"]) == 0
    assert capsys.readouterr().out.startswith("graph weave {\n")


def test_file_that_cannot_be_written_is_named(api: FakeRouterApi, capsys: Output, tmp_path: Path) -> None:
    path = tmp_path / "none" / "mesh.svg"
    assert tree.run(["status", "topology", "--svg", str(path)]) == 1
    assert f"cannot write {path}: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["status", "--dot"], "are for 'weave status topology'"),
        (["status", "peers", "--svg", "x"], "are for 'weave status topology'"),
        (["status", "--watch", "-o", "json"], "shows text only"),
        (["status", "topology", "--watch", "--dot"], "shows text only"),
        (["status", "--watch=soon"], "'soon' is no length of time"),
    ],
)
def test_what_does_not_go_together_is_refused(words: list[str], reason: str, capsys: Output) -> None:
    assert tree.run(words) == 1
    written = capsys.readouterr()
    assert reason in written.err + written.out


def test_unknown_page_is_refused_also_when_watched(api: FakeRouterApi, capsys: Output) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    assert tree.run(["status", "weather", "--watch"]) == 1
    assert "unknown status page: weather" in capsys.readouterr().err
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_watched_page_comes_again_until_interrupted(api: FakeRouterApi) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "weave_cli", "status", "--watch", "100ms", "connections"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        lines = [process.stdout.readline() for _ in range(6)]
        api.answers["GET /status/connections"] = (500, "out of order")
        while "out of order" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert (process.stderr.read(), process.wait(timeout=20)) == ("", 0)
    assert [line.startswith("# 2") for line in lines] == [True, False] * 3
    assert lines[1] == "-> 10.0.0.2:6783 established\n"


def test_page_on_a_terminal_is_replaced_and_the_last_one_stays(api: FakeRouterApi) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(
        [sys.executable, "-m", "weave_cli", "status", "topology", "--watch=100ms"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        os.close(theirs)
        seen = _read_until(ours, r"Ctrl-C ends(.|\n)*Ctrl-C ends")
        process.send_signal(signal.SIGINT)
        seen += _read_until(ours, None)
        assert process.wait(timeout=20) == 0
    os.close(ours)
    alternate, _, last = seen.partition("\x1b[?1049l")
    assert alternate.startswith("\x1b[?1049h")
    assert "weave status topology, every 0.1s" in alternate
    assert "3 of 3 links are there" in last
    assert "interrupted" not in last and "Traceback" not in last


def _read_until(terminal: int, pattern: str | None) -> str:
    """What is written until the pattern is seen; None: until nobody has the terminal open any more."""
    seen = ""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if pattern is not None and re.search(pattern, seen):
            return seen
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                octets = os.read(terminal, 65536)
            except OSError:  # how Linux says that the other end is closed
                return seen
            seen += octets.decode()
    raise AssertionError(f"{pattern!r} was not seen in {seen!r}")
