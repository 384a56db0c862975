"""The program in a helper container, given its errand as Docker would."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from weave_cli.containers.errand import Errand, pack_errand

pytestmark = pytest.mark.unit

_PROGRAM = [sys.executable, "-m", "weave_cli.commands.inside"]


def run(words: str, typed: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The errand, and a conversation that lasts as long as the command."""
    errand = pack_errand(Errand(words=tuple(words.split()), environment=environment, input=typed))
    reader, writer = os.pipe()
    try:
        os.write(writer, errand)
        return subprocess.run(_PROGRAM, stdin=reader, capture_output=True, timeout=60, check=False)
    finally:
        os.close(reader)
        os.close(writer)


def test_output_status_and_variables_are_those_of_the_command() -> None:
    restored = run("env --restore", ORIG_DOCKER_HOST="tcp://10.0.0.1:1")
    assert (restored.stdout, restored.stderr, restored.returncode) == (
        b"DOCKER_HOST=tcp://10.0.0.1:1\n",
        b"",
        0,
    )
    refused = run("connect")
    assert (refused.stdout, refused.returncode) == (b"", 1)
    assert refused.stderr.startswith(b"connect needs at least one peer\n")


def test_variables_of_the_container_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIG_DOCKER_HOST", "tcp://10.9.9.9:1")
    monkeypatch.setenv("WEAVE_PORT", "nonsense")
    assert b"ORIG_DOCKER_HOST is not set" in run("env --restore").stderr


def test_command_without_errand_says_that_its_caller_is_gone() -> None:
    done = subprocess.run(_PROGRAM, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"is gone" in done.stderr


def test_end_of_the_conversation_ends_the_command() -> None:
    with subprocess.Popen(_PROGRAM, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin is not None
        running.stdin.write(
            pack_errand(Errand(words=("prime",), environment={"WEAVE_HTTP_ADDR": "127.0.0.1:1"}))
        )
        running.stdin.close()
        assert running.wait(60) in (1, -1)  # it may have failed before


def test_streams_are_terminals_if_the_user_s_are() -> None:
    script = (
        "import sys; from weave_cli.output.terminals import take_terminals;"
        "take_terminals(frozenset({'stderr'}), b'typed');"
        "sys.stderr.write(f'{sys.stdout.isatty()} {sys.stderr.isatty()} {sys.stdin.read()}\\u2192')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stderr.decode() == "False True typed\u2192"
