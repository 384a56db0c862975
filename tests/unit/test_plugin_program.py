"""The plugin's command line, and the ways in which its process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from weave_cli import __version__
from weave_cli.plugin.program import read_options
from weave_cli.settings import read_settings

SETTINGS = read_settings({"WEAVE_HTTP_ADDR": "127.0.0.1:7784"})


def test_defaults_are_the_originals() -> None:
    options = read_options([], SETTINGS)
    assert options.mesh_socket == "/run/docker/plugins/weavemesh.sock"
    assert options.global_socket == "/run/docker/plugins/weave.sock"
    assert options.mesh_network_name == "weave"
    assert options.wants_multicast_route
    assert options.http_address == "127.0.0.1:7784"
    assert options.log_level == "info"


def test_empty_values_switch_parts_off() -> None:
    options = read_options(["--socket=", "--meshsocket=", "--mesh-network-name="], SETTINGS)
    assert (options.global_socket, options.mesh_socket, options.mesh_network_name) == ("", "", "")


@pytest.mark.parametrize("words", [["--log-level=loud"], ["--unknown"], ["peer"], ["--log"], ["--socket"]])
def test_wrong_words_end_with_status_2_and_say_why(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read_options(words, SETTINGS)
    assert caught.value.code == 2
    assert words[0].partition("=")[0] in capsys.readouterr().err


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_options(["--version"], SETTINGS)
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"weave plugin {__version__}\n"


class Process:
    """A plugin without Docker and without router."""

    def __init__(self, directory: Path) -> None:
        self.sockets = directory / "plugins"
        self.arguments = [
            f"--socket={self.sockets}/weave.sock",
            f"--meshsocket={self.sockets}/weavemesh.sock",
            f"--journal={directory}/plugin.db",
            "--http-addr=127.0.0.1:9",
        ]
        self._environment = {**os.environ, "DOCKER_HOST": f"unix://{directory}/docker.sock"}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "weave_cli.plugin", *self.arguments, *more]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=self._environment)
        return self.process

    def wait_for_sockets(self) -> None:
        while not self.files() == ["weave.sock", "weavemesh.sock"]:
            assert self.process is not None
            assert self.process.poll() is None, self.process.communicate()[1].decode()
            time.sleep(0.01)

    def files(self) -> list[str]:
        return sorted(os.listdir(self.sockets)) if self.sockets.exists() else []


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_take_the_sockets_away(plugin: Process, number: signal.Signals) -> None:
    process = plugin.start()
    plugin.wait_for_sockets()
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    assert plugin.files() == []


def test_dead_sockets_of_a_killed_plugin_are_replaced(plugin: Process) -> None:
    process = plugin.start()
    plugin.wait_for_sockets()
    process.kill()
    process.communicate()
    assert plugin.files() == ["weave.sock", "weavemesh.sock"]
    process = plugin.start("--socket=")
    assert process.stderr is not None
    while b"Listening on" not in process.stderr.readline():
        assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=20) == 0
    assert plugin.files() == ["weave.sock"]


def test_failure_on_the_way_up_leaves_no_socket(plugin: Process) -> None:
    process = plugin.start(f"--socket={plugin.sockets}/weavemesh.sock")
    _, words = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"somebody listens on" in words
    assert plugin.files() == []


def test_journal_that_cannot_be_is_a_clear_error(plugin: Process) -> None:
    process = plugin.start("--journal=/proc/nowhere/plugin.db")
    _, words = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"cannot open /proc/nowhere/plugin.db" in words
    assert plugin.files() == []


def test_sdk_is_imported_after_the_first_socket_and_before_the_threads(plugin: Process) -> None:
    process = plugin.start("--log-level=debug")
    plugin.wait_for_sockets()
    process.terminate()
    _, words = process.communicate(timeout=20)
    assert b"Traceback" not in words
    assert b"cannot reach Docker at unix://" in words


def test_rooms_before_the_first_socket_do_without_the_sdk() -> None:
    code = "import sys, weave_cli.plugin.program as p; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
