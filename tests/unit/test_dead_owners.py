"""Addresses of dead containers go back: after the grace, at once with the container, and when nobody told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.fakes.attached_engine import FakeAttached, FakeDoor, FakeEngine
from tests.fakes.router_api import OWN_ORIGIN, FakeRouterApi, running_router
from tests.fakes.until import until
from weave_cli.addresses import parse_cidr
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.events import ContainerEvent, NetworkEvent
from weave_cli.dead_owners import DeadOwners

pytestmark = pytest.mark.unit


class Watched:
    """Owners between a fake engine and a fake router, with Docker's events by hand."""

    def __init__(self, router: FakeRouterApi, client: AsyncRouterClient, grace_s: float) -> None:
        self.router = router
        self.engine = FakeEngine()
        self.door = FakeDoor(self.engine)
        self.deaths = DeadOwners(self.door, client, grace_s=grace_s)

    def container(self, name: str, *, is_running: bool = True) -> FakeAttached:
        made = self.engine.add(name, pid=7, is_running=is_running)
        self.router.owned[made.id] = [parse_cidr("10.32.0.1/12")]
        return made

    def event(self, action: str, container: FakeAttached) -> None:
        self.deaths.on_event(ContainerEvent(action=action, container_id=container.id))

    async def has_given_back(self, container: FakeAttached) -> None:
        await until(lambda: container.id not in self.router.owned)


def watching(scenario: Callable[[Watched], Awaitable[None]], *, grace_s: float = 0.05) -> None:
    async def run() -> None:
        async with running_router() as router, AsyncRouterClient(router.address) as client:
            watched = Watched(router, client, grace_s)
            task = asyncio.create_task(watched.deaths.run())
            try:
                async with asyncio.timeout(20):
                    await scenario(watched)
            finally:
                task.cancel()

    asyncio.run(run())


def test_a_dead_container_gives_its_addresses_back_after_the_grace() -> None:
    async def scenario(watched: Watched) -> None:
        dead, restarted = watched.container("dead", is_running=False), watched.container("restarted")
        watched.event("die", restarted)
        watched.event("die", dead)
        assert dead.id in watched.router.owned
        await watched.has_given_back(dead)
        assert restarted.id in watched.router.owned

    watching(scenario)


def test_a_removed_container_does_so_at_once() -> None:
    async def scenario(watched: Watched) -> None:
        removed = watched.container("removed", is_running=False)
        watched.router.names = {
            (removed.id, OWN_ORIGIN, 1, "removed.weave.local"),
            ("other", OWN_ORIGIN, 2, "other.weave.local"),
        }
        watched.event("die", removed)
        watched.event("destroy", removed)
        await watched.has_given_back(removed)
        await until(lambda: {name[0] for name in watched.router.names} == {"other"})

    watching(scenario, grace_s=1000)


def test_deaths_that_nobody_told_are_found_and_other_owners_left_alone() -> None:
    async def scenario(watched: Watched) -> None:
        dead, alive = watched.container("dead", is_running=False), watched.container("alive")
        watched.router.owned["weave:expose"] = watched.router.owned["10.32.0.9"] = [
            parse_cidr("10.32.0.9/12")
        ]
        watched.deaths.resync()
        await watched.has_given_back(dead)
        assert set(watched.router.owned) == {alive.id, "weave:expose", "10.32.0.9"}

    watching(scenario)


def test_what_failed_is_tried_again_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(watched: Watched) -> None:
        dead = watched.container("dead", is_running=False)
        watched.door.is_away = True
        for _ in range(3):
            watched.event("die", dead)
            watched.deaths.resync()
        await asyncio.sleep(0.3)
        assert dead.id in watched.router.owned
        assert len(caplog.messages) == 1
        watched.door.is_away = False
        watched.deaths.on_event(
            NetworkEvent(action="connect", network_id="n", driver="weavemesh", container_id=dead.id)
        )
        await watched.has_given_back(dead)

    caplog.set_level("INFO", "weave_cli.dead_owners")
    watching(scenario)
