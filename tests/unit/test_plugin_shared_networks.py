"""Networks of all hosts, brought to one host's Docker."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from tests.fakes.attached_engine import FakeDoor, FakeEngine
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.plugin.shared_networks import SharedNetworks


class Engine(FakeEngine):
    """Tells the names of its networks."""

    def names(self) -> set[str]:
        return {network["Name"] for network in self.networks}


class Router:
    """Plays the client: rows as the API gives them."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    async def networks(self) -> list[dict[str, Any]]:
        return self.rows


def row(name: str, version: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "key": f"name:{name}",
        "version": version,
        "subnet": "10.33.1.0/24",
        "options": {"works.weave.multicast": "true"},
        "internal": False,
        "removed": False,
        "hosts": [],
        **changes,
    }


class Host:
    def __init__(self) -> None:
        self.engine, self.router = Engine(), Router()
        self.door = FakeDoor(self.engine)
        self.shared = SharedNetworks(self.door, cast(AsyncRouterClient, self.router))

    def follow(self) -> None:
        asyncio.run(self.shared.follow())


def test_docker_makes_what_the_router_has_and_removes_it_again() -> None:
    host = Host()
    host.router.rows = [row("shop")]
    host.follow()
    (made,) = host.engine.networks
    assert (made["Driver"], made["IPAM"]["Driver"]) == ("weave", "weave")
    assert made["Options"] == {"works.weave.multicast": "true", "works.weave.network": "name:shop"}
    assert made["Labels"]["works.weave.network"] == "shop"
    host.engine.calls.clear()
    host.follow()
    assert host.engine.calls == [], "nothing changed, so Docker is not asked"
    host.router.rows = [row("shop", 2, removed=True)]
    host.follow()
    assert host.engine.networks == []


def test_another_network_of_that_name_is_left_alone() -> None:
    host = Host()
    host.engine.add_network("shop", "bridge")
    for rows in ([row("shop")], [row("shop", 2, removed=True)]):
        host.router.rows = rows
        host.follow()
        assert host.engine.names() == {"shop"}


def test_one_that_was_made_anew_meanwhile_is_made_anew_here() -> None:
    host = Host()
    host.router.rows = [row("shop")]
    host.follow()
    host.router.rows = [row("shop", 3, subnet="10.33.9.0/24")]
    for _ in range(2):
        host.follow()
    (made,) = host.engine.networks
    assert made["IPAM"]["Config"][0]["Subnet"] == "10.33.9.0/24"


def test_after_docker_was_away_it_is_asked_again() -> None:
    host = Host()
    host.router.rows = [row("shop")]
    host.follow()
    host.engine.networks.clear()
    host.follow()
    assert host.engine.networks == []
    host.shared.look_again()
    host.follow()
    assert host.engine.names() == {"shop"}
