"""The user's docker command, played by a shell script."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.docker_client import FakeEngine
from weave_cli import interrupts
from weave_cli.containers.command import (
    DockerCommandFailed,
    new_mark,
    removed_on_interrupt,
    run_detached,
)
from weave_cli.errors import DockerProblem
from weave_cli.interrupts import Interrupted

pytestmark = pytest.mark.unit


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where to write the script; it is first on the path."""
    path = tmp_path / "docker"
    path.touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return path


def test_the_id_is_what_docker_printed_last(docker: Path) -> None:
    docker.write_text('#!/bin/sh\necho "$@" >&2\necho 4711\n')
    assert run_detached(["--name", "web", "busybox"], mark="works.weave.run=1") == "4711"


def test_the_words_come_behind_ours(docker: Path, capfd: pytest.CaptureFixture[str]) -> None:
    docker.write_text('#!/bin/sh\necho "$@" >&2\n')
    run_detached(["--name", "web", "busybox"], mark="works.weave.run=1")
    word, label, detach, *rest = capfd.readouterr().err.split()
    assert (word, detach, rest) == ("run", "--detach", ["--name", "web", "busybox"])
    assert label == "--label=works.weave.run=1"


def test_the_user_s_own_options_come_before_the_word(docker: Path, capfd: pytest.CaptureFixture[str]) -> None:
    docker.write_text('#!/bin/sh\necho "$@" >&2\n')
    run_detached(["busybox"], mark="works.weave.run=1", options=["-H", "tcp://10.0.0.1:2375"])
    assert capfd.readouterr().err.split()[:3] == ["-H", "tcp://10.0.0.1:2375", "run"]


def test_its_exit_status_is_ours(docker: Path) -> None:
    docker.write_text("#!/bin/sh\nexit 125\n")
    with pytest.raises(DockerCommandFailed) as caught:
        run_detached(["busybox"], mark="works.weave.run=1")
    assert caught.value.exit_status == 125


def test_no_such_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DockerProblem, match="cannot run docker"):
        run_detached(["busybox"], mark="works.weave.run=1")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT is heard as in a command, also where a shell has started us in the background."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in interrupts.SIGNALS}
    interrupts.listen()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_docker_and_removes_what_it_made(docker: Path, tmp_path: Path) -> None:
    docker.write_text(
        "#!/bin/sh\nfor word; do\n"
        f'case $word in --label=*) echo "${{word#--label=}}" >{tmp_path}/label;; esac\ndone\n'
        f"echo $$ >{tmp_path}/pid\nexec sleep 60\n"
    )
    engine = FakeEngine()
    made = engine.add_container("made")
    engine.add_container("other", labels={"works.weave.run": "another"})

    def interrupt() -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        key, _, value = (tmp_path / "label").read_text().strip().partition("=")
        made.labels[key] = value
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    mark = new_mark()
    with pytest.raises(Interrupted) as caught, removed_on_interrupt(engine.client, mark):
        run_detached(["busybox"], mark=mark)
    assert caught.value.outcome == interrupts.UNDONE
    thread.join()
    assert list(engine.containers) == ["other"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
