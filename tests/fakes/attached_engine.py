"""A Docker engine in memory, as far as the plugin looks at one: who is on which network. Events by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import requests
from docker.errors import APIError, NotFound

from weave_cli.containers.client import Docker
from weave_cli.containers.door import DockerDoor
from weave_cli.containers.events import Event
from weave_cli.errors import DockerProblem
from weave_cli.settings import read_settings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class FakeAttached:
    """A container; `addresses` by network id, while it runs."""

    id: str
    name: str
    hostname: str = ""
    domainname: str = ""
    is_running: bool = True
    pid: int = 0
    addresses: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    def networks(self) -> dict[str, Any]:
        return {
            f"name-of-{network}": {
                "NetworkID": network,
                "EndpointID": f"{network}-{self.name}" if self.is_running else "",
                "IPAddress": address if self.is_running else "",
                "Aliases": list(self.aliases) or None,
            }
            for network, address in self.addresses.items()
        }


class FakeEngine:
    """What a test sets up, and what was asked of it (`calls`)."""

    def __init__(self) -> None:
        self.containers: dict[str, FakeAttached] = {}
        self.networks: list[dict[str, Any]] = []
        self.left_over: dict[str, dict[str, dict[str, str]]] = {}
        """By network: endpoints that have no container."""
        self.info_words: dict[str, Any] = {
            "ServerVersion": "20.10.24",
            "Swarm": {"LocalNodeState": "inactive"},
        }
        self.calls: list[str] = []

    def add(self, name: str, **facts: Any) -> FakeAttached:
        """A container with an id of 64 digits."""
        made = FakeAttached(id=f"{len(self.containers) + 1:064x}", name=name, **facts)
        self.containers[made.id] = made
        return made

    def add_network(self, name: str, driver: str, *, address_driver: str = "", **facts: Any) -> str:
        self.networks.append(
            {
                "Id": name,
                "Name": name,
                "Driver": driver,
                "IPAM": {"Driver": address_driver or driver, "Config": facts.pop("config", None)},
                "Options": facts.pop("options", None),
                "Labels": facts.pop("labels", None),
            }
        )
        return name

    @property
    def client(self) -> Docker:
        return cast(Docker, _Client(_Api(self)))


class FakeDoor(DockerDoor):
    """The plugin's door, to a fake engine; calls run at once, in the loop. Away when `is_away`."""

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__(read_settings({}))
        self.engine = engine
        self.is_away = False

    async def call(
        self, function: Callable[Concatenate[Docker, P], T], *arguments: P.args, **words: P.kwargs
    ) -> T:
        await asyncio.sleep(0)
        if self.is_away:
            raise DockerProblem("cannot reach Docker")
        return function(self.engine.client, *arguments, **words)

    async def follow_events(
        self, on_subscribed: Callable[[], None], on_event: Callable[[Event], None]
    ) -> None:
        raise AssertionError("nobody follows events here: tests call the listeners themselves")


@dataclass
class _Client:
    api: _Api


@dataclass
class _Api:
    engine: FakeEngine

    def inspect_container(self, key: str) -> dict[str, Any]:
        self.engine.calls.append(f"inspect {key[-2:]}")
        found = self.engine.containers.get(key)
        if found is None:
            raise NotFound(f"No such container: {key}")
        return {
            "Id": found.id,
            "Name": f"/{found.name}",
            "Config": {"Hostname": found.hostname, "Domainname": found.domainname},
            "State": {
                "Running": found.is_running,
                "Restarting": False,
                "Pid": found.pid if found.is_running else 0,
            },
            "NetworkSettings": {"Networks": found.networks()},
        }

    def containers(self, *, all: bool = False) -> list[dict[str, Any]]:  # noqa: A002
        self.engine.calls.append("list containers")
        return [
            {
                "Id": each.id,
                "State": "running" if each.is_running else "exited",
                "NetworkSettings": {"Networks": each.networks()},
            }
            for each in self.engine.containers.values()
            if all or each.is_running
        ]

    def networks(self) -> list[dict[str, Any]]:
        self.engine.calls.append("list networks")
        return list(self.engine.networks)

    def inspect_network(self, key: str) -> dict[str, Any]:
        found = next((row for row in self.engine.networks if row["Id"] == key), None)
        if found is None:
            raise NotFound(f"No such network: {key}")
        return {**found, "Containers": self.engine.left_over.get(key, {})}

    def info(self) -> dict[str, Any]:
        return self.engine.info_words

    def create_network(self, name: str, **words: Any) -> dict[str, Any]:
        if any(row["Name"] == name for row in self.engine.networks):
            response = requests.Response()
            response.status_code = 409
            raise APIError(
                "conflict", response=response, explanation=f"network with name {name} already exists"
            )
        self.engine.add_network(
            name,
            words["driver"],
            address_driver=words["ipam"]["Driver"],
            options=words["options"],
            config=words["ipam"]["Config"],
            labels=words["labels"],
        )
        return {"Id": name}

    def remove_network(self, key: str) -> None:
        self.engine.networks = [row for row in self.engine.networks if row["Id"] != key]
