"""Containers that Docker started before us are started again, once there is a router, and no others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import APIError

from tests.fakes.attached_engine import FakeDoor, FakeEngine
from tests.fakes.docker_client import refusal
from tests.fakes.until import until
from weave_cli.api.aio import Contact
from weave_cli.containers.client import Docker
from weave_cli.plugin.pulse import RouterPulse
from weave_cli.plugin.revival import Revival

pytestmark = pytest.mark.unit

_ABSENT = 'could not read CA certificate "/the-weave-plugin-is-not-running"'


class Engine(FakeEngine):
    """Keeps why containers are down, and starts them when asked."""

    def __init__(self) -> None:
        super().__init__()
        self.down: dict[str, dict[str, Any]] = {}
        self.refusals: list[APIError] = []
        self.asked_networks: list[str] = []

    def add_down(self, name: str, error: str) -> None:
        self.down[name] = {
            "Id": name,
            "Name": f"/{name}",
            "State": {"Status": "exited", "Error": error},
            "HostConfig": {"RestartPolicy": {"Name": "always"}},
        }

    @property
    def running(self) -> set[str]:
        return {name for name, facts in self.down.items() if facts["State"]["Status"] == "running"}

    def start(self, name: str) -> None:
        if self.refusals:
            raise self.refusals.pop()
        self.down[name]["State"] = {"Status": "running", "Error": ""}

    def containers_listed(self, *, all: bool, filters: dict[str, list[str]]) -> list[dict[str, Any]]:  # noqa: A002
        self.asked_networks = filters["network"]
        return [facts for facts in self.down.values() if facts["State"]["Status"] in filters["status"]]

    @property
    def client(self) -> Docker:
        api = SimpleNamespace(
            networks=lambda: self.networks,
            containers=self.containers_listed,
            inspect_container=lambda name: self.down[name],
            start=self.start,
        )
        return cast(Docker, SimpleNamespace(api=api))


def reviving(scenario: Callable[[Engine, RouterPulse, Revival], Awaitable[None]]) -> None:
    async def run() -> None:
        engine = Engine()
        engine.add_network("mine", "weavemesh")
        engine.add_network("addresses", "bridge", address_driver="weave")
        engine.add_network("other", "bridge")
        pulse = RouterPulse(cast(Any, None))
        revival = Revival(
            FakeDoor(engine), pulse, drivers=("weavemesh", "weave"), pauses_s=(0.0, 0.01, 0.01, 0.01)
        )
        task = asyncio.create_task(revival.run())
        try:
            async with asyncio.timeout(20):
                await scenario(engine, pulse, revival)
        finally:
            task.cancel()

    asyncio.run(run())


def test_what_is_stranded_starts_and_nothing_else() -> None:
    async def scenario(engine: Engine, pulse: RouterPulse, revival: Revival) -> None:
        pulse.contact = cast(Contact, object())
        engine.add_down("stranded", _ABSENT)
        engine.add_down("stopped", "")
        revival.wake()
        await until(lambda: engine.running == {"stranded"})
        assert engine.asked_networks == ["addresses", "mine"]

    reviving(scenario)


def test_without_router_nothing_starts_until_it_is_there() -> None:
    async def scenario(engine: Engine, pulse: RouterPulse, revival: Revival) -> None:
        engine.add_down("stranded", _ABSENT)
        revival.wake()
        await asyncio.sleep(0.05)
        assert engine.running == set()
        pulse.contact = cast(Contact, object())
        revival.wake()
        await until(lambda: engine.running == {"stranded"})

    reviving(scenario)


def test_a_start_that_fails_is_tried_again() -> None:
    async def scenario(engine: Engine, pulse: RouterPulse, revival: Revival) -> None:
        pulse.contact = cast(Contact, object())
        engine.refusals = [refusal("no space left on device")]
        engine.add_down("stranded", _ABSENT)
        revival.wake()
        await until(lambda: engine.running == {"stranded"})

    reviving(scenario)
