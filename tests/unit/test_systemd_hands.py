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
from weave_cli.systemd_hands import take_handed_sockets
taken = take_handed_sockets()
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


def test_a_socket_is_taken_with_who_waits_there(tmp_path: Path) -> None:
    path = str(tmp_path / "d.sock")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        listening.bind(path)
        listening.listen()
        client.settimeout(60)
        client.connect(path)  # before anybody serves
        script = f'exec 3<&{listening.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" -c "$1"'
        said = run(script, {"PATH": os.defpath}, (listening.fileno(),))
        assert said == f"{path}\n"
        assert client.recv(100) == b"served"


@pytest.mark.parametrize(
    "words", [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x"}]
)
def test_nothing_is_taken_that_is_not_for_this_process(words: dict[str, str]) -> None:
    assert run('exec "$0" -c "$1"', {**words, "PATH": os.defpath}) == ""
