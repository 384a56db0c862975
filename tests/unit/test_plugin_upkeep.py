"""What runs beside the sockets: the automatic network, and addresses that Docker or the router forgot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.attached_engine import FakeDoor, FakeEngine
from tests.fakes.endpoint_links import FakeLinks
from tests.fakes.router_api import FakeRouterApi, running_router
from tests.fakes.until import until
from weave_cli.addresses import parse_address, parse_cidr
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.plugin.default_network import DefaultNetwork
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.leaks import LeakBook
from weave_cli.plugin.options import NetworkFacts, guess_facts
from weave_cli.plugin.reconcile import Reconciler
from weave_cli.plugin.releases import Releases

DRIVERS = ("weavemesh", "weave")
LEFT = {"endpoints": 0, "addresses": 2, "devices": 1, "names": 1}
LIVE, DEAD = parse_address("10.32.0.1"), parse_address("10.32.0.2")


class Kept:
    """A journal, a fake engine, a fake router, and what compares them."""

    def __init__(self, router: FakeRouterApi, client: AsyncRouterClient, journal: Journal) -> None:
        self.router = router
        self.client = client
        self.journal = journal
        self.engine = FakeEngine()
        self.engine.add_network("net", "weavemesh")
        self.door = FakeDoor(self.engine)
        self.links = FakeLinks()
        self.leaks = LeakBook()
        self.releases = Releases(client, journal)

    def hand_out(self, address: int) -> None:
        text = f"10.32.0.{address & 255}"
        self.journal.save_address(address, 12)
        self.router.owned[text] = [parse_cidr(f"{text}/12")]

    def reconciler(self, between_looks_s: float = 0.05) -> Reconciler:
        return Reconciler(
            self.door,
            self.client,
            self.journal,
            self.releases,
            self.links,
            self.leaks,
            drivers=DRIVERS,
            between_looks_s=between_looks_s,
        )


def told(kept: Kept) -> Any:
    """What `weave status` is told."""
    return kept.leaks.tell_now()


def keeping(tmp_path: Path, scenario: Callable[[Kept], Awaitable[None]]) -> None:
    async def run() -> None:
        journal = Journal(str(tmp_path / "plugin.db"))
        try:
            async with running_router() as router, AsyncRouterClient(router.address) as client:
                kept = Kept(router, client, journal)
                task = asyncio.create_task(kept.releases.run())
                async with asyncio.timeout(20):
                    await scenario(kept)
                task.cancel()
        finally:
            journal.close()

    asyncio.run(run())


async def started(reconciler: Reconciler) -> asyncio.Task[None]:
    task = asyncio.create_task(reconciler.run())
    reconciler.wake()
    return task


def test_forgotten_address_and_endpoint_are_given_back_and_living_ones_kept(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        kept.hand_out(LIVE)
        kept.hand_out(DEAD)
        kept.router.owned["by hand"] = [parse_cidr("10.32.0.3/12")]
        kept.engine.add("a", addresses={"net": "10.32.0.1"})
        kept.journal.save_endpoint("net-a", "net", "10.32.0.1/12")
        kept.journal.save_endpoint("net-gone", "net", "10.32.0.2/12")
        task = await started(kept.reconciler())
        await until(lambda: "10.32.0.2" not in kept.router.owned)
        await until(lambda: kept.links.deleted == ["net-gone"])
        assert sorted(kept.router.owned) == ["10.32.0.1", "by hand"]
        assert kept.journal.list_endpoints(is_gone=False) == ["net-a"]
        task.cancel()

    keeping(tmp_path, scenario)


def test_what_nobody_knows_of_is_counted_then_removed_and_what_lives_is_left(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        alive, dead = kept.engine.add("a", addresses={"net": "10.32.0.1"}).id, "d" * 64
        kept.hand_out(LIVE)
        kept.journal.save_endpoint("net-a", "net", "10.32.0.1/12")
        kept.links.made["net-a"] = "02:00:00:00:00:01"
        kept.links.devices.add("vethwllost")
        kept.router.owned |= {
            "10.32.0.9": [parse_cidr("10.32.0.9/12")],  # the plugin died before its journal knew
            "weave:expose": [parse_cidr("10.32.0.8/12")],
            alive: [parse_cidr("10.32.0.7/12")],
            dead: [parse_cidr("10.32.0.6/12")],
        }
        kept.router.add_name(alive, "10.32.0.7", "a.weave.local.")
        kept.router.add_name(dead, "10.32.0.6", "d.weave.local.")
        reconciler = kept.reconciler(between_looks_s=0.5)
        task = await started(reconciler)
        await until(lambda: told(kept)["suspected"] == LEFT)
        assert len(kept.router.owned) == 5
        await until(lambda: told(kept)["removed"] == LEFT)
        await until(lambda: sorted(kept.router.owned) == sorted(["10.32.0.1", "weave:expose", alive]))
        assert kept.links.devices == set() and "net-a" in kept.links.made
        assert {record.container for record in await kept.client.names()} == {alive}
        assert sum(told(kept)["suspected"].values()) == 0
        task.cancel()

    keeping(tmp_path, scenario)


def test_addresses_that_nobody_here_knows_are_left_in_a_swarm(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        kept.engine.info_words["Swarm"] = {"LocalNodeState": "active"}
        kept.router.owned["10.32.0.9"] = [parse_cidr("10.32.0.9/12")]
        kept.hand_out(DEAD)
        task = await started(kept.reconciler())
        await until(lambda: list(kept.router.owned) == ["10.32.0.9"])
        task.cancel()

    keeping(tmp_path, scenario)


def test_addresses_of_networks_and_left_over_endpoints_are_in_use(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        for address in (1, 2, 3):
            kept.hand_out(parse_address(f"10.32.0.{address}"))
        config = [
            {"Subnet": "10.32.0.0/12", "Gateway": "10.32.0.1", "AuxiliaryAddresses": {"x": "10.32.0.2"}}
        ]
        kept.engine.add_network("own", "bridge", address_driver="weavemesh", config=config)
        kept.engine.left_over["net"] = {"ep-1": {"EndpointID": "e1", "IPv4Address": "10.32.0.3/12"}}
        kept.journal.save_endpoint("e1", "net", "")
        kept.hand_out(parse_address("10.32.0.4"))
        task = await started(kept.reconciler())
        await until(lambda: "10.32.0.4" not in kept.router.owned)
        assert sorted(kept.router.owned) == ["10.32.0.1", "10.32.0.2", "10.32.0.3"]
        assert kept.journal.list_endpoints(is_gone=False) == ["e1"]
        task.cancel()

    keeping(tmp_path, scenario)


def test_address_given_out_again_between_the_looks_is_not_dead(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        kept.hand_out(DEAD)
        kept.hand_out(parse_address("10.32.0.7"))
        reconciler = kept.reconciler(between_looks_s=0.3)
        task = await started(reconciler)
        await until(lambda: "list containers" in kept.engine.calls)
        kept.journal.save_address(DEAD, 12)  # the old one was released, a new one is on its way
        await until(lambda: "10.32.0.7" not in kept.router.owned)
        assert list(kept.router.owned) == ["10.32.0.2"]
        task.cancel()

    keeping(tmp_path, scenario)


def test_address_given_out_again_during_the_second_look_is_not_dead(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        kept.hand_out(DEAD)
        kept.hand_out(parse_address("10.32.0.7"))
        look = kept.door.call

        async def call(function: Any, *arguments: Any, **words: Any) -> Any:
            answer = await look(function, *arguments, **words)
            if kept.engine.calls.count("list containers") == 2:
                kept.journal.save_address(DEAD, 12)  # asked for by name, while Docker answered
            return answer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kept.door, "call", call)
            task = await started(kept.reconciler())
            await until(lambda: "10.32.0.7" not in kept.router.owned)
        assert list(kept.router.owned) == ["10.32.0.2"]
        task.cancel()

    keeping(tmp_path, scenario)


def test_address_that_the_router_forgot_is_claimed_for_its_container(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        kept.hand_out(LIVE)
        kept.engine.add("a", addresses={"net": "10.32.0.1"})
        kept.router.owned.clear()
        reconciler = kept.reconciler(between_looks_s=60)
        task = await started(reconciler)
        await until(lambda: list(kept.router.owned) == ["10.32.0.1"])
        kept.router.owned.clear()
        reconciler.wake()  # does not wait for the second look of the first time
        await until(lambda: list(kept.router.owned) == ["10.32.0.1"])
        task.cancel()

    keeping(tmp_path, scenario)


def test_nothing_is_given_back_while_docker_cannot_be_asked(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        kept.hand_out(DEAD)
        reconciler = kept.reconciler()
        kept.door.is_away = True
        task = await started(reconciler)
        await asyncio.sleep(0.2)
        assert list(kept.router.owned) == ["10.32.0.2"]
        kept.door.is_away = False
        reconciler.wake()
        await until(lambda: kept.router.owned == {})
        task.cancel()

    keeping(tmp_path, scenario)


def test_options_of_networks_made_elsewhere_are_learnt(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        kept.engine.add_network("far", "weave", options={"works.weave.multicast": ""})
        kept.engine.add_network("odd", "weave", options={"works.weave.multicast": "perhaps"})
        task = await started(kept.reconciler())
        await until(lambda: kept.journal.find_network("odd") is not None)
        assert kept.journal.find_network("far") == NetworkFacts(
            driver="weave", has_multicast=True, realm="far"
        )
        assert kept.journal.find_network("odd") == NetworkFacts(driver="weave", realm="odd")
        task.cancel()

    keeping(tmp_path, scenario)


def test_options_are_learnt_at_once_when_a_container_asks_for_them_or_soon(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        kept.engine.add_network("far", "weave", options={"works.weave.isolated": "false"})
        kept.journal.save_network("far", guess_facts("weave", "far"))
        reconciler = kept.reconciler()
        kept.door.is_away = True
        await reconciler.learn()
        assert kept.journal.find_network("far") == guess_facts("weave", "far")
        kept.door.is_away = False
        await reconciler.learn()
        assert kept.journal.find_network("far") == NetworkFacts(driver="weave")

    keeping(tmp_path, scenario)


def network(kept: Kept, *, wants_multicast_route: bool = True) -> DefaultNetwork:
    return DefaultNetwork(kept.door, kept.client, "weave", wants_multicast_route=wants_multicast_route)


def test_automatic_network_has_an_explicit_subnet_and_multicast(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        task = asyncio.create_task(network(kept).run())
        await until(lambda: len(kept.engine.networks) == 2)
        made = kept.engine.networks[1]
        assert (made["Name"], made["Driver"], made["IPAM"]["Driver"]) == ("weave", "weavemesh", "weavemesh")
        assert made["IPAM"]["Config"][0]["Subnet"] == "10.32.0.0/12"
        assert made["Options"] == {"works.weave.multicast": "true"}
        task.cancel()

    keeping(tmp_path, scenario)


def test_automatic_network_without_multicast_has_no_option(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        task = asyncio.create_task(network(kept, wants_multicast_route=False).run())
        await until(lambda: len(kept.engine.networks) == 2)
        assert kept.engine.networks[1]["Options"] == {}
        task.cancel()

    keeping(tmp_path, scenario)


def test_automatic_network_waits_for_the_router_and_comes_back_when_asked(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        await kept.router.stop()
        automatic = network(kept)
        task = asyncio.create_task(automatic.run())
        await until(lambda: "list networks" in kept.engine.calls)
        await kept.router.start()
        await until(lambda: len(kept.engine.networks) == 2)
        kept.engine.networks.pop()
        automatic.ensure_again()
        await until(lambda: len(kept.engine.networks) == 2)
        task.cancel()

    keeping(tmp_path, scenario)


def test_of_two_automatic_networks_one_is_removed(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        for twin in ("first", "second"):
            kept.engine.add_network(twin, "weavemesh")
            kept.engine.networks[-1]["Name"] = "weave"
        task = asyncio.create_task(network(kept).run())
        await until(lambda: [row["Id"] for row in kept.engine.networks] == ["net", "first"])
        task.cancel()

    keeping(tmp_path, scenario)


def test_automatic_network_is_made_although_the_first_try_met_a_defect(tmp_path: Path) -> None:
    async def scenario(kept: Kept) -> None:
        automatic = network(kept)
        rows, kept.engine.networks = kept.engine.networks, [{}]
        with pytest.raises(KeyError):
            await automatic.run()
        kept.engine.networks = rows
        task = asyncio.create_task(automatic.run())  # as the program does
        await until(lambda: len(kept.engine.networks) == 2)
        task.cancel()

    keeping(tmp_path, scenario)


def test_network_of_another_driver_is_named_and_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(kept: Kept) -> None:
        kept.engine.add_network("weave", "overlay")
        task = asyncio.create_task(network(kept).run())
        await until(lambda: caplog.records)
        assert "its driver is overlay, not weavemesh" in caplog.text
        assert len(kept.engine.networks) == 2
        task.cancel()

    with caplog.at_level(logging.ERROR):
        keeping(tmp_path, scenario)
