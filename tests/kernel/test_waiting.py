"""The waiting program as the kernel runs it, in namespaces of its own (checklist: 610).

That for the other processor runs under qemu-user, which passes the environment on in another order.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.namespaces import Underlay
from weave_cli.host.guest import let_go, was_let_go
from weave_cli.proxy.waiting.executable import make_waiting_program

Started = Callable[..., subprocess.Popen[str]]

_PATH = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def namespace(underlay: Underlay) -> str:
    return underlay.namespace("w")


@pytest.fixture(params=["x86_64", "aarch64"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The words that run it."""
    path = tmp_path / "w"
    path.write_bytes(make_waiting_program(request.param))
    path.chmod(0o755)
    return [str(path)] if os.uname().machine == request.param else [f"qemu-{request.param}", str(path)]


@pytest.fixture
def start(namespace: str, program: list[str]) -> Iterator[Started]:
    """Starts the waiting program with these words; it is the process that `ip` was."""
    launcher = [shutil.which(program[0]) or program[0], *program[1:]]
    begun: list[subprocess.Popen[str]] = []

    def begin(*words: str, env: dict[str, str] | None = None, cwd: str = "/") -> subprocess.Popen[str]:
        before = [f"{name}={value}" for name, value in (_PATH if env is None else env).items()]
        begun.append(
            subprocess.Popen(
                ["ip", "netns", "exec", namespace, "env", "-i", *before, *launcher, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=cwd,
            )
        )
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def _end_of(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=30)
    return process.returncode, out, errors


def _waits(process: subprocess.Popen[str]) -> bool:
    """Is it the waiting program, and not yet the one that waits?"""
    return Path(f"/proc/{process.pid}/comm").read_text().strip() in ("w", "qemu-aarch64", "qemu-x86_64")


def _begins_to_wait(process: subprocess.Popen[str]) -> None:
    while not _waits(process):
        assert process.poll() is None
        time.sleep(0.005)


def test_610_the_program_begins_when_it_is_let_go_and_not_before(start: Started) -> None:
    waiting = start("sh", "-c", 'echo "$$ $0 $* $HERE $PWD"; echo said >&2; exit 7', "zero", "one two")
    _begins_to_wait(waiting)
    pid = waiting.pid
    assert not was_let_go(pid)
    for _ in range(5):
        time.sleep(0.05)
        assert _waits(waiting) and waiting.poll() is None
    assert let_go(pid)
    assert _end_of(waiting) == (7, f"{pid} zero one two  /\n", "said\n")


@pytest.fixture
def let_gone(start: Started) -> None:
    """Nobody waits in that namespace any more."""
    first = start("true")
    _begins_to_wait(first)
    assert let_go(first.pid)
    assert _end_of(first) == (0, "", "")


@pytest.mark.usefixtures("let_gone")
def test_620_the_program_is_found_as_a_shell_finds_it(start: Started, tmp_path: Path) -> None:
    script = tmp_path / "say"
    script.write_text("#!/bin/sh\necho said $*\n")
    script.chmod(0o755)
    other = str(tmp_path)
    for words, env, cwd in (
        (("say", "x"), {"PATH": f"/nowhere:{other}"}, "/"),
        (("say", "x"), {"A": "1", "PATH": f"{other}:/bin", "Z": "2"}, "/"),
        (("say", "x"), {"PATH": "/nowhere:"}, other),
        (("say", "x"), {"PATH": f"/{'x' * 9000}:{other}"}, "/"),
        ((f"{other}/say", "x"), {}, "/"),
        (("./say", "x"), {}, other),
    ):
        assert _end_of(start(*words, env=env, cwd=cwd)) == (0, "said x\n", ""), (words, env, cwd)
    status, out, errors = _end_of(start("env", env={"A": "1 2", "B": ""}))
    assert (status, sorted(out.splitlines()), errors) == (0, ["A=1 2", "B="], ""), "no PATH at all"


def test_610_what_cannot_be_executed_ends_at_once_with_what_shells_say(
    start: Started, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    for words, status, says in (
        (("foo",), 127, 'exec: "foo": executable file not found in $PATH\n'),
        (("x" * 9000,), 127, f'exec: "{"x" * 9000}": executable file not found in $PATH\n'),
        (("/no/such",), 127, 'exec: "/no/such": no such file or directory\n'),
        ((f"{plain}/x",), 127, f'exec: "{plain}/x": no such file or directory\n'),
        ((str(plain),), 126, f'exec: "{plain}": permission denied\n'),
        ((), 127, "exec: no command\n"),
    ):
        assert _end_of(start(*words)) == (status, "", says)


@pytest.mark.usefixtures("let_gone")
def test_what_fails_only_when_it_is_executed_says_so(start: Started, tmp_path: Path) -> None:
    for content, status, says in (("echo x", 126, "exec format error"), ("#!/no\n", 127, "no such file")):
        script = tmp_path / f"script{status}"
        script.write_text(content)
        script.chmod(0o755)
        ended = _end_of(start(str(script)))
        assert ended[0] == status and says in ended[2]


def test_666_where_the_bridge_is_seen_nobody_waits(start: Started, namespace: str) -> None:
    subprocess.run(["ip", "-n", namespace, "link", "add", "weave", "type", "bridge"], check=True)
    assert _end_of(start("echo", "host")) == (0, "host\n", "")


def test_signals_and_limits_are_those_of_the_program(start: Started) -> None:
    waiting = start("sh", "-c", "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.01; done")
    _begins_to_wait(waiting)
    status = Path(f"/proc/{waiting.pid}/status").read_text()
    if not Path(f"/proc/{waiting.pid}/comm").read_text().startswith("qemu"):  # which has its own
        mask = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Sig")}
        assert int(mask["SigCgt"], 16) == 0, "it installs no handlers"
        assert "Threads:\t1" in status
    assert let_go(waiting.pid)
    assert waiting.stdout is not None and waiting.stdout.readline() == "ready\n"
    os.kill(waiting.pid, 15)
    assert _end_of(waiting) == (3, "caught\n", "")
