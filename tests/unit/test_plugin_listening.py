"""Where the plugin listens, and how early."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from weave_cli.errors import HostProblem
from weave_cli.plugin import listening
from weave_cli.plugin.listening import listen, listen_early

pytestmark = pytest.mark.unit

_SERVER = """
import sys, time
from weave_cli.plugin.listening import listen
kept = listen(sys.argv[1], own_directory=sys.argv[2], processes="/proc")
print("listens", flush=True)
time.sleep(600)
"""


def test_a_dead_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "plugins" / "d.sock"
    first = listen(str(path))
    assert path.stat().st_ino == first.inode
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(HostProblem, match="somebody listens"):
        listen(str(path))
    first.socket.close()
    second = listen(str(path))
    assert path.stat().st_ino == second.inode != first.inode
    second.socket.close()


def test_a_link_to_a_socket_of_a_container_dies_with_its_process(tmp_path: Path) -> None:
    path, own = tmp_path / "plugins" / "d.sock", tmp_path / "own"
    server = subprocess.Popen([sys.executable, "-c", _SERVER, str(path), str(own)], stdout=subprocess.PIPE)
    assert server.stdout is not None
    with server.stdout:
        assert server.stdout.readline() == b"listens\n"
    assert path.is_symlink() and path.is_socket()
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
    with pytest.raises(HostProblem, match="somebody listens"):
        listen(str(path), own_directory=str(own), processes="/proc")
    server.kill()
    server.wait()
    assert path.is_symlink() and not path.exists()  # the socket itself is still there
    assert (own / "d.sock").is_socket()
    again = listen(str(path), own_directory=str(own), processes="/proc")
    assert path.lstat().st_ino == again.inode
    again.socket.close()


def test_only_a_managed_plugin_listens_before_it_is_all_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "PLUGIN_SOCKET_DIRECTORY", str(tmp_path))
    assert listen_early(["--journal=x"]) == {}
    assert not list(tmp_path.iterdir())
    ((path, listener),) = listen_early(["--managed", "--journal=x"]).items()
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)
    assert listen_early(["--managed"]) == {}  # the program will say why
    listener.socket.close()


def test_nothing_that_takes_time_is_imported_before() -> None:
    asked = "import sys, weave_cli.plugin.listening; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert not {"aiohttp", "asyncio", "argparse", "logging", "sqlite3"}.intersection(modules)
