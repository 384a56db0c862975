"""Containers become DNS names: which ones, and that they stay right whatever goes away and comes back."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace

import pytest

from tests.fakes.attached_engine import FakeAttached, FakeDoor, FakeEngine
from tests.fakes.router_api import OTHER_ORIGIN, FakeRouterApi, running_router
from tests.fakes.until import until
from weave_cli.addresses import format_address, parse_cidr
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.attachments import AttachedContainer, Attachment
from weave_cli.containers.events import ContainerEvent, NetworkEvent, read_event
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.naming import wanted_names
from weave_cli.plugin.pulse import RouterPulse
from weave_cli.plugin.watcher import NameWatcher

DRIVERS = ("weavemesh", "weave")


class Watched:
    """A watcher between a fake engine and a fake router, with Docker's events by hand."""

    def __init__(self, router: FakeRouterApi, client: AsyncRouterClient, journal: Journal) -> None:
        self.journal = journal
        self.router = router
        self.engine = FakeEngine()
        self.engine.add_network("net", "weavemesh")
        self.engine.add_network("other", "bridge")
        self.door = FakeDoor(self.engine)
        self.client = client
        self.pulse = RouterPulse(client, interval_s=0.01)
        self.watcher = NameWatcher(
            self.door, client, self.pulse, journal, DRIVERS, retry_s=0.01, is_attached=lambda pid: pid > 0
        )
        self.pulse.add_listener(self.watcher.resync)

    def container(self, name: str, *, address: str = "10.32.0.1", network: str = "net") -> FakeAttached:
        return self.engine.add(name, hostname=f"{name}.weave.local", addresses={network: address})

    def network_event(self, action: str, container: FakeAttached, *, driver: str = "weavemesh") -> None:
        self.watcher.on_event(
            NetworkEvent(action=action, network_id="net", driver=driver, container_id=container.id)
        )

    def container_event(self, action: str, container: FakeAttached) -> None:
        self.watcher.on_event(ContainerEvent(action=action, container_id=container.id))

    def start(self, container: FakeAttached) -> None:
        """As Docker tells of it: connect, then start."""
        self.network_event("connect", container)
        self.container_event("start", container)

    def end(self, container: FakeAttached) -> None:
        """As Docker tells of it: death, then disconnection."""
        container.is_running = False
        self.container_event("die", container)
        self.network_event("disconnect", container)

    async def has_looked(self) -> None:
        """The look at everything, with which it begins, is over."""
        await until(lambda: "list containers" in self.engine.calls)

    async def has(self, container: FakeAttached, *names: str) -> None:
        await until(lambda: self.router.fqdns(container.id) == sorted(names))


def watching(scenario: Callable[[Watched], Awaitable[None]]) -> None:
    async def run(journal: Journal) -> None:
        async with running_router() as router, AsyncRouterClient(router.address) as client:
            watched = Watched(router, client, journal)
            tasks = [asyncio.create_task(watched.pulse.run()), asyncio.create_task(watched.watcher.run())]
            try:
                async with asyncio.timeout(20):
                    await until(lambda: watched.pulse.contact)
                    await scenario(watched)
            finally:
                for task in tasks:
                    task.cancel()

    with tempfile.TemporaryDirectory() as directory, closing(Journal(f"{directory}/plugin.db")) as journal:
        asyncio.run(run(journal))


@pytest.mark.parametrize(
    ("hostname", "domainname", "aliases", "expected"),
    [
        ("c.weave.local", "", (), {"c.weave.local.", "box.weave.local."}),
        ("c", "weave.local", (), {"c.weave.local.", "box.weave.local."}),
        ("C", "Weave.Local.", (), {"c.weave.local.", "box.weave.local."}),
        ("0a1b2c3d4e5f", "", ("0a1b2c3d4e5f", "al"), {"box.weave.local."}),
        ("c", "example.org", ("al.weave.local",), {"al.weave.local.", "box.weave.local."}),
        (".weave.local", "", ("weave.local",), {"box.weave.local."}),
    ],
)
def test_names_are_those_inside_the_domain(
    hostname: str, domainname: str, aliases: tuple[str, ...], expected: set[str]
) -> None:
    container = AttachedContainer(
        id="a" * 64,
        name="box",
        hostname=hostname,
        domainname=domainname,
        is_running=True,
        pid=1,
        attachments=(
            Attachment(network_id="net", address="10.32.0.1", aliases=aliases),
            Attachment(network_id="net2", address="", aliases=("late.weave.local",)),
            Attachment(network_id="bridge", address="172.17.0.2", aliases=("no.weave.local",)),
        ),
    )
    names = wanted_names(container, {"net", "net2"}, "weave.local.")
    assert {name.fqdn for name in names} == expected
    tasks = wanted_names(replace(container, service="web"), {"net", "net2"}, "weave.local.")
    assert {name.fqdn for name in tasks} == expected | {"web.weave.local."}
    assert {format_address(name.address) for name in names} == {"10.32.0.1"}


def test_events_that_docker_sends_are_read() -> None:
    connect = {
        "Type": "network",
        "Action": "connect",
        "Actor": {"ID": "n1", "Attributes": {"container": "c1", "name": "weave", "type": "weavemesh"}},
    }
    die = {"Type": "container", "Action": "die", "Actor": {"ID": "c1", "Attributes": {"exitCode": "0"}}}
    assert read_event(connect) == NetworkEvent(
        action="connect", network_id="n1", driver="weavemesh", container_id="c1"
    )
    assert read_event(die) == ContainerEvent(action="die", container_id="c1", exit_status=0)
    assert read_event({"Type": "plugin", "Action": "enable"}) is None
    assert read_event({"Type": "container"}) == ContainerEvent(action="", container_id="")


def test_name_lives_as_long_as_its_container() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.container("a")
        watched.start(container)
        await watched.has(container, "a.weave.local.=10.32.0.1")
        watched.end(container)
        await watched.has(container)

    watching(scenario)


def test_containers_of_other_drivers_are_not_even_looked_at() -> None:
    async def scenario(watched: Watched) -> None:
        await watched.has_looked()
        foreign = watched.container("foreign", network="other")
        watched.network_event("connect", foreign, driver="bridge")
        watched.container_event("start", foreign)
        ours = watched.container("ours")
        watched.start(ours)
        await watched.has(ours, "ours.weave.local.=10.32.0.1")
        assert f"inspect {foreign.id[-2:]}" not in watched.engine.calls
        assert watched.engine.calls.count(f"inspect {ours.id[-2:]}") == 1

    watching(scenario)


def test_container_that_ends_at_once_is_not_even_looked_at() -> None:
    async def scenario(watched: Watched) -> None:
        await watched.has_looked()
        short, stays = watched.container("short"), watched.container("stays", address="10.32.0.2")
        watched.start(short)
        watched.end(short)
        watched.container_event("destroy", short)
        watched.start(stays)
        await watched.has(stays, "stays.weave.local.=10.32.0.2")
        await until(lambda: f"DELETE /name/{short.id}" in watched.router.requests)
        assert f"inspect {short.id[-2:]}" not in watched.engine.calls
        # Its death and its removal are one to the router.
        assert watched.router.requests.count(f"DELETE /name/{short.id}") == 1

    watching(scenario)


def test_others_do_not_wait_until_a_starting_container_is_looked_at() -> None:
    async def scenario(watched: Watched) -> None:
        await watched.has_looked()
        named = watched.container("named")
        watched.start(named)
        await watched.has(named, "named.weave.local.=10.32.0.1")
        starting = watched.container("starting", address="10.32.0.2")
        done = watched.engine.calls = watched.router.requests
        watched.start(starting)
        named.is_running = False
        watched.container_event("die", named)
        await watched.has(starting, "starting.weave.local.=10.32.0.2")
        assert done.index(f"DELETE /name/{named.id}") < done.index(f"inspect {starting.id[-2:]}")

    watching(scenario)


def test_container_that_restarts_at_once_is_named_in_the_end() -> None:
    async def scenario(watched: Watched) -> None:
        await watched.has_looked()
        container = watched.container("a")
        watched.start(container)
        watched.container_event("die", container)
        watched.network_event("disconnect", container)
        watched.start(container)
        await watched.has(container, "a.weave.local.=10.32.0.1")
        await until(lambda: f"DELETE /name/{container.id}" in watched.router.requests)
        await asyncio.sleep(0.6)  # the withdrawal of the first life does not come now
        await watched.has(container, "a.weave.local.=10.32.0.1")

    watching(scenario)


def test_running_container_that_connects_gets_its_name_without_a_start() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.container("late")
        watched.network_event("connect", container)
        await watched.has(container, "late.weave.local.=10.32.0.1")
        container.addresses.clear()
        watched.network_event("disconnect", container)
        await watched.has(container)

    watching(scenario)


def test_name_that_went_stale_while_we_were_down_goes() -> None:
    """But not one that an operator gave."""

    async def scenario(watched: Watched) -> None:
        container = watched.container("a")
        watched.start(container)
        await watched.has(container, "a.weave.local.=10.32.0.1")
        watched.router.add_name(container.id, "10.32.0.1", "given.weave.local.")
        container.addresses.clear()  # and nobody tells this watcher
        later = NameWatcher(
            watched.door,
            watched.client,
            watched.pulse,
            watched.journal,
            DRIVERS,
            is_attached=lambda pid: pid > 0,
        )
        task = asyncio.create_task(later.run())
        later.resync()
        await watched.has(container, "given.weave.local.=10.32.0.1")
        await until(lambda: watched.journal.list_names() == [])
        task.cancel()

    watching(scenario)


def test_renamed_container_changes_that_name_only() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.container("old")
        container.hostname = "host.weave.local"
        watched.start(container)
        await watched.has(container, "host.weave.local.=10.32.0.1", "old.weave.local.=10.32.0.1")
        container.name = "new"
        watched.container_event("rename", container)
        await watched.has(container, "host.weave.local.=10.32.0.1", "new.weave.local.=10.32.0.1")

    watching(scenario)


def test_restarted_router_gets_all_names_again() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.container("a")
        watched.start(container)
        await watched.has(container, "a.weave.local.=10.32.0.1")
        watched.router.restart_forgetting_names()
        await watched.has(container, "a.weave.local.=10.32.0.1")
        await watched.router.stop()
        await until(lambda: watched.pulse.contact is None)
        watched.router.names.clear()
        await watched.router.start()
        await watched.has(container, "a.weave.local.=10.32.0.1")

    watching(scenario)


def test_death_while_the_router_is_away_is_made_up_for() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.container("a")
        watched.start(container)
        await watched.has(container, "a.weave.local.=10.32.0.1")
        await watched.router.stop()
        container.is_running = False
        watched.container_event("die", container)
        await until(lambda: watched.pulse.contact is None)
        await watched.router.start()
        await watched.has(container)

    watching(scenario)


def test_new_subscription_closes_the_gap() -> None:
    async def scenario(watched: Watched) -> None:
        dead, unseen = watched.container("dead"), watched.container("unseen", address="10.32.0.2")
        watched.router.add_name(dead.id, "10.32.0.1", "dead.weave.local.")
        dead.is_running = False
        watched.watcher.resync()
        await watched.has(unseen, "unseen.weave.local.=10.32.0.2")
        await watched.has(dead)

    watching(scenario)


def test_container_that_connected_before_the_subscription_and_starts_after_it_gets_its_name() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.container("a")
        container.is_running = False
        watched.watcher.on_subscribed()
        await until(lambda: watched.engine.calls.count("list containers") == 2)
        container.is_running = True
        watched.container_event("start", container)
        await watched.has(container, "a.weave.local.=10.32.0.1")

    watching(scenario)


def test_names_that_are_not_ours_stay() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.container("a")
        stranger = "f" * 64
        watched.router.add_name(container.id, "10.32.0.1", "by-hand.weave.local.")
        watched.router.add_name(stranger, "10.32.0.9", "far.weave.local.", origin=OTHER_ORIGIN)
        watched.router.add_name("weave:extern", "10.1.1.1", "printer.weave.local.")
        watched.router.add_name("weave:expose", "10.32.0.8", "host.weave.local.")
        watched.watcher.resync()
        await watched.has(container, "a.weave.local.=10.32.0.1", "by-hand.weave.local.=10.32.0.1")
        assert watched.router.fqdns(stranger) == ["far.weave.local.=10.32.0.9"]
        assert watched.router.fqdns("weave:extern") == ["printer.weave.local.=10.1.1.1"]
        assert watched.router.fqdns("weave:expose") == ["host.weave.local.=10.32.0.8"]

    watching(scenario)


def test_what_docker_could_not_be_asked_is_asked_again() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.container("a")
        watched.door.is_away = True
        watched.start(container)
        await asyncio.sleep(0.05)
        assert watched.router.names == set()
        watched.door.is_away = False
        await watched.has(container, "a.weave.local.=10.32.0.1")

    watching(scenario)


def test_router_without_dns_is_left_alone() -> None:
    async def scenario(watched: Watched) -> None:
        watched.router.domain = None
        await until(lambda: watched.pulse.contact and watched.pulse.contact.domain is None)
        watched.start(watched.container("a"))
        watched.watcher.resync()
        await asyncio.sleep(0.05)
        assert watched.router.names == set()
        assert not any(request.startswith("PUT") for request in watched.router.requests)

    watching(scenario)


def test_attached_container_keeps_its_names_over_a_restart_of_the_router() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.engine.add("a", hostname="a", domainname="weave.local", pid=7)
        watched.engine.add("bare", hostname="bare.weave.local")
        watched.router.owned[container.id] = [parse_cidr("10.2.1.1/24"), parse_cidr("10.32.0.9/12")]
        names = ("a.weave.local.=10.2.1.1", "a.weave.local.=10.32.0.9")
        watched.watcher.resync()
        await watched.has(container, *names)
        watched.router.restart_forgetting_names()
        await watched.has(container, *names)
        assert len(watched.router.names) == 2

    watching(scenario)


def test_names_that_a_command_gave_go_with_the_container_and_come_back_with_it() -> None:
    async def scenario(watched: Watched) -> None:
        container = watched.engine.add("a", hostname="a.weave.local", pid=7)
        watched.router.owned[container.id] = [parse_cidr("10.2.1.1/24")]
        watched.router.add_name(container.id, "10.2.1.1", "a.weave.local.")
        watched.router.add_name(container.id, "10.2.1.1", "by-hand.weave.local.")
        watched.container_event("die", container)
        await watched.has(container)
        # The command that restarted it named it before we heard of the death.
        watched.container_event("start", container)
        await watched.has(container, "a.weave.local.=10.2.1.1")
        container.is_running = False
        watched.container_event("die", container)
        watched.container_event("destroy", container)
        await watched.has(container)

    watching(scenario)
