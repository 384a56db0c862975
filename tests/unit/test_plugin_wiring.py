"""What each socket offers, by what the engine can do."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.attached_engine import FakeDoor, FakeEngine
from weave_cli.leaks import KINDS
from weave_cli.plugin import wiring
from weave_cli.plugin.server import DriverServer
from weave_cli.plugin.wiring import Plugin
from weave_cli.settings import read_settings

BOTH = ["NetworkDriver", "IpamDriver"]


def ask(path: str, name: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("plugin")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(10)
        opened.connect(path)
        connection.sock = opened
        connection.request("POST", f"/{name}")
        reply: dict[str, Any] = json.loads(connection.getresponse().read())
        return reply


def offers(door: FakeDoor, tmp_path: Path, make: Callable[[Plugin, str], Awaitable[DriverServer]]) -> Any:
    """The answers to Docker's first two questions."""

    async def run() -> Any:
        plugin = Plugin(
            read_settings({}),
            http_address="127.0.0.1:9",
            journal_path=str(tmp_path / "plugin.db"),
            wants_multicast_route=True,
        )
        server = await make(plugin, str(tmp_path / "d.sock"))
        await server.start()
        try:
            activation = await asyncio.to_thread(ask, server.path, "Plugin.Activate")
            capabilities = await asyncio.to_thread(ask, server.path, "NetworkDriver.GetCapabilities")
            return activation["Implements"], capabilities["Scope"]
        finally:
            await server.stop()
            await plugin.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "DockerDoor", lambda _settings: door)
        return asyncio.run(run())


async def make_mesh(plugin: Plugin, path: str) -> DriverServer:
    return plugin.make_mesh_server(path)


async def make_global(plugin: Plugin, path: str) -> DriverServer:
    return await plugin.make_global_server(path)


async def make_swarm(plugin: Plugin, path: str) -> DriverServer:
    return plugin.make_swarm_server(path)


def test_driver_of_a_swarm_is_global_and_leaves_addresses_to_docker(tmp_path: Path) -> None:
    assert offers(FakeDoor(FakeEngine()), tmp_path, make_swarm) == (["NetworkDriver"], "global")


def test_mesh_driver_is_local_and_offers_addresses(tmp_path: Path) -> None:
    assert offers(FakeDoor(FakeEngine()), tmp_path, make_mesh) == (BOTH, "local")


@pytest.mark.parametrize(
    ("info", "offered"),
    [
        ({"ClusterStore": "etcd://10.0.0.1:2379"}, (BOTH, "global")),
        ({"Swarm": {"LocalNodeState": "active"}}, (BOTH, "local")),
        ({}, (BOTH, "local")),
    ],
)
def test_global_driver_is_global_only_where_docker_can_share(
    tmp_path: Path, info: dict[str, Any], offered: tuple[list[str], str]
) -> None:
    engine = FakeEngine()
    engine.info_words = info
    assert offers(FakeDoor(engine), tmp_path, make_global) == offered


def test_docker_that_is_not_up_yet_has_not_changed_its_mind(tmp_path: Path) -> None:
    engine = FakeEngine()
    engine.info_words = {"ClusterStore": "etcd://10.0.0.1:2379"}
    door = FakeDoor(engine)
    door.is_away = True
    assert offers(door, tmp_path, make_global) == (BOTH, "local")
    door.is_away = False
    assert offers(door, tmp_path, make_global) == (BOTH, "global")
    door.is_away = True
    assert offers(door, tmp_path, make_global) == (BOTH, "global")


def test_a_repetition_without_words_is_refused_and_leaks_are_told(tmp_path: Path) -> None:
    async def run() -> tuple[dict[str, Any], ...]:
        plugin = Plugin(
            read_settings({}),
            http_address="127.0.0.1:9",
            journal_path=str(tmp_path / "plugin.db"),
            wants_multicast_route=True,
        )
        server = plugin.make_mesh_server(str(tmp_path / "d.sock"))
        await server.start()
        try:
            names = ("IpamDriver.RequestPool", "NetworkDriver.DeleteEndpoint", "Weave.Leaks")
            return tuple([await asyncio.to_thread(ask, server.path, name) for name in names])
        finally:
            await server.stop()
            await plugin.close()

    pool, deletion, leaks = asyncio.run(run())
    assert "Docker repeats it without its words" in pool["Err"] and pool == deletion
    assert leaks["suspected"] == leaks["removed"] == dict.fromkeys(KINDS, 0)
