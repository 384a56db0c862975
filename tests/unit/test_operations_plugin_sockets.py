"""Sockets of the plugin: dead ones, and the stand-in that lets Docker delete."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

import pytest

from weave_cli.operations import plugin_sockets
from weave_cli.operations.plugin_sockets import (
    find_socket_state,
    is_plugin_listening,
    read_leaks,
    remove_dead_sockets,
    stand_in,
)

pytestmark = pytest.mark.unit


def _leave_dead_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def _call(path: Path, method: str, body: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("plugin")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.connect(str(path))
        connection.sock = opened
        # Docker sends an empty Host (specification plugin, section 3).
        connection.request("POST", method, body=body, headers={"Host": ""})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_dead_sockets_are_removed_and_others_left_alone(tmp_path: Path) -> None:
    for name in ("weave", "weavemesh", "other"):
        _leave_dead_socket(tmp_path / f"{name}.sock")
    remove_dead_sockets(directory=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other.sock"]


def test_nobody_listens_on_a_dead_or_absent_socket(tmp_path: Path) -> None:
    assert not is_plugin_listening(directory=tmp_path)
    _leave_dead_socket(tmp_path / "weavemesh.sock")
    assert not is_plugin_listening(directory=tmp_path)


@pytest.mark.parametrize("driver", ["weave", "weavemesh"])
def test_stand_in_agrees_to_every_deletion(tmp_path: Path, driver: str) -> None:
    path = tmp_path / f"{driver}.sock"
    with stand_in(directory=tmp_path):
        assert _call(path, "/NetworkDriver.DeleteEndpoint", '{"EndpointID":"x"}') == (200, "{}")
        assert _call(path, "/IpamDriver.ReleaseAddress", '{"PoolID":"p"}') == (200, "{}")
        status, text = _call(path, "/Plugin.Activate", "")
        assert (status, "NetworkDriver" in text) == (200, True)


def test_stand_in_takes_the_place_of_dead_sockets_and_leaves_none(tmp_path: Path) -> None:
    _leave_dead_socket(tmp_path / "weavemesh.sock")
    with stand_in(directory=tmp_path):
        assert is_plugin_listening(directory=tmp_path)
        assert read_leaks(directory=tmp_path) is None  # it does not count
        remove_dead_sockets(directory=tmp_path)  # they are not dead
        assert is_plugin_listening(directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_stand_in_does_not_push_a_living_plugin_aside(tmp_path: Path) -> None:
    with stand_in(directory=tmp_path):
        with stand_in(directory=tmp_path):
            pass
        assert is_plugin_listening(directory=tmp_path)


def test_a_link_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    (tmp_path / "weave.sock").symlink_to("/proc/0/root/run/weave.sock")
    remove_dead_sockets(directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_is_found_where_its_host_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker, alone, shown = (tmp_path / name for name in ("docker", "alone", "shown"))
    docker.mkdir()
    (docker / "weavemesh.sock").symlink_to("/proc/0/root/weavemesh.sock")
    (shown / "0").mkdir(parents=True)
    (shown / "0" / "root").symlink_to(alone)
    with stand_in(directory=alone):
        assert not is_plugin_listening(directory=docker)
        monkeypatch.setattr(plugin_sockets, "HOST_PROCESSES", str(shown))
        assert is_plugin_listening(directory=docker)
        assert find_socket_state(docker / "weavemesh.sock") == "answers"
