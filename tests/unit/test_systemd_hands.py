"""What systemd hands to a service: in a process of its own, since descriptors and process id count."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

_PROGRAM = """
import sys
from weave_cli.systemd_hands import take_handed_sockets, tell_ready
taken = take_handed_sockets()
tell_ready()
for path, handed in taken.items():
    print(path)
    connection, _ = handed.accept()
    connection.sendall(b"served")
"""


def run(script: str, environment: dict[str, str], descriptors: tuple[int, ...] = ()) -> str:
    return subprocess.run(
        ["bash", "-c", script, sys.executable, _PROGRAM],
        env=environment,
        pass_fds=descriptors,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_a_socket_is_taken_and_readiness_told(tmp_path: Path) -> None:
    path, notices = str(tmp_path / "d.sock"), str(tmp_path / "notify")
    with (
        socket.socket(socket.AF_UNIX) as listening,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hearing,
        socket.socket(socket.AF_UNIX) as client,
    ):
        listening.bind(path)
        listening.listen()
        hearing.bind(notices)
        hearing.settimeout(60)
        client.settimeout(60)
        client.connect(path)  # before anybody serves
        script = f'exec 3<&{listening.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" -c "$1"'
        said = run(script, {"NOTIFY_SOCKET": notices, "PATH": os.defpath}, (listening.fileno(),))
        assert said == f"{path}\n"
        assert hearing.recv(100) == b"READY=1"
        assert client.recv(100) == b"served"


@pytest.mark.parametrize(
    "words", [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x"}]
)
def test_nothing_is_taken_that_is_not_for_this_process(words: dict[str, str]) -> None:
    assert run('exec "$0" -c "$1"', {**words, "PATH": os.defpath}) == ""


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert run('exec "$0" -c "$1"', {"NOTIFY_SOCKET": str(tmp_path / "gone"), "PATH": os.defpath}) == ""
