"""The network driver and the address driver, called as Docker calls them, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.endpoint_links import FakeLinks
from tests.fakes.router_api import FakeRouterApi, running_router
from tests.fakes.until import until
from weave_cli.addresses import parse_address
from weave_cli.api.aio import ABSENT, AsyncRouterClient
from weave_cli.errors import HostProblem, RouterProblem, UsageProblem
from weave_cli.plugin.boot import BootGrace
from weave_cli.plugin.ipam import AddressDriver
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.network import NetworkDriver
from weave_cli.plugin.releases import Releases

POOL = "weave-10.32.0.0/12-10.32.0.0/12"
MULTICAST = {"com.docker.network.generic": {"works.weave.multicast": "true"}}


@dataclass
class Host:
    """One host's drivers over a router in memory."""

    router: FakeRouterApi
    journal: Journal
    links: FakeLinks
    releases: Releases
    network: NetworkDriver
    addresses: AddressDriver

    async def call(self, name: str, **body: Any) -> dict[str, Any]:
        table = {**self.network.calls(), **self.addresses.calls()}
        return await table[name](body)

    async def request(self, **body: Any) -> str:
        reply = await self.call("IpamDriver.RequestAddress", **{"PoolID": POOL, "Address": "", **body})
        return str(reply["Address"])

    async def release(self, address: str, pool: str = POOL) -> dict[str, Any]:
        """What Docker is answered, when the router has heard of it."""
        reply = await self.call("IpamDriver.ReleaseAddress", PoolID=pool, Address=address)
        with suppress(UsageProblem):
            await self.releases.settled(parse_address(address))
        return reply

    async def connect(self, network: str, endpoint: str, sandbox: str) -> list[Any]:
        """Create an endpoint and join; the routes."""
        interface = {"Address": "10.32.0.1/12", "AddressIPv6": "", "MacAddress": ""}
        await self.call(
            "NetworkDriver.CreateEndpoint", NetworkID=network, EndpointID=endpoint, Interface=interface
        )
        reply = await self.call(
            "NetworkDriver.Join", NetworkID=network, EndpointID=endpoint, SandboxKey=sandbox, Options={}
        )
        return list(reply["StaticRoutes"])


@contextmanager
def opened(path: str) -> Iterator[Journal]:
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()


def with_host(
    tmp_path: Path,
    scenario: Callable[[Host], Awaitable[None]],
    *,
    wants_multicast_route: bool = True,
    grace_s: float = 0,
    limit_s: float = 0.5,
) -> None:
    """Run a scenario; allocations are given up after `limit_s`, `grace_s` after the plugin's start."""

    async def run() -> None:
        with opened(str(tmp_path / "plugin.db")) as journal:
            async with running_router() as router, AsyncRouterClient(router.address) as client:
                links = FakeLinks()
                releases = Releases(client, journal)
                network = NetworkDriver(
                    "weavemesh",
                    links,
                    journal,
                    is_global=False,
                    wants_multicast_route=wants_multicast_route,
                )
                addresses = AddressDriver(
                    client,
                    journal,
                    releases,
                    BootGrace(grace_s=grace_s),
                    limit_s=limit_s,
                    is_link_present=links.is_present,
                )
                try:
                    async with asyncio.timeout(20):
                        await scenario(Host(router, journal, links, releases, network, addresses))
                finally:
                    await addresses.close()

    asyncio.run(run())


def test_address_waits_at_a_boot_for_the_router(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.router.stop()
        asking = asyncio.create_task(host.request())
        await asyncio.sleep(0.3)
        assert not asking.done()
        await host.router.start()
        assert await asking == "10.32.0.1/12"

    with_host(tmp_path, scenario, grace_s=20, limit_s=10)


def test_router_that_does_not_come_at_a_boot_is_named_in_time(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.router.stop()
        with pytest.raises(RouterProblem, match=r"within .* weave container is not present"):
            await host.request()

    with_host(tmp_path, scenario, grace_s=20)


def test_router_that_was_stopped_is_named_at_once(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.router.stop()
        with pytest.raises(RouterProblem, match=r"^weave container is not present"):
            await host.request()

    with_host(tmp_path, scenario, limit_s=10)


def test_pool_without_subnet_is_the_routers_default(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        reply = await host.call(
            "IpamDriver.RequestPool", AddressSpace="weavelocal", Pool="", SubPool="", Options={}, V6=False
        )
        assert reply == {
            "PoolID": POOL,
            "Pool": "10.32.0.0/12",
            "Data": {"com.docker.network.gateway": "10.32.0.0/12"},
        }

    with_host(tmp_path, scenario)


def test_addresses_come_from_the_part_and_carry_the_subnets_length(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        pool = await host.call("IpamDriver.RequestPool", Pool="10.40.0.0/16", SubPool="10.40.3.0/24")
        assert await host.request(PoolID=pool["PoolID"]) == "10.40.3.1/16"
        assert await host.request(PoolID=pool["PoolID"], Address="10.40.9.9") == "10.40.9.9/16"
        assert sorted(host.router.owned) == ["10.40.3.1", "10.40.9.9"]

    with_host(tmp_path, scenario)


def test_pool_of_the_first_plugins_still_gives_addresses(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert await host.request(PoolID="weavepool") == "10.32.0.1/12"
        await host.release("10.32.0.1", "weavepool")
        assert host.router.owned == {}

    with_host(tmp_path, scenario)


def test_gateway_costs_no_address_unless_asked_for_by_name(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        gateway = {"RequestAddressType": "com.docker.network.gateway"}
        assert await host.request(Options=gateway) == "10.32.0.0/12"
        assert host.router.owned == {}
        await host.release("10.32.0.0")
        assert not any(request.startswith("DELETE") for request in host.router.requests)
        assert await host.request(Options=gateway, Address="10.32.0.1") == "10.32.0.1/12"
        assert list(host.router.owned) == ["10.32.0.1"]

    with_host(tmp_path, scenario)


def test_address_of_another_host_is_refused_in_the_routers_words(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        host.router.foreign[parse_address("10.32.0.9")] = "host2"
        with pytest.raises(RouterProblem, match="owned by other peer host2"):
            await host.request(Address="10.32.0.9")
        assert host.journal.list_held() == []

    with_host(tmp_path, scenario)


def test_address_of_a_living_container_of_this_host_is_refused(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        assert await host.request(Address="10.32.0.1") == "10.32.0.1/12"
        await host.connect("n1", "e1", "s1")
        with pytest.raises(UsageProblem, match=r"10\.32\.0\.1 is in use by another container"):
            await host.request(Address="10.32.0.1")
        assert await host.request(Address="10.32.0.11") == "10.32.0.11/12"
        await host.call("NetworkDriver.DeleteEndpoint", NetworkID="n1", EndpointID="e1")
        assert await host.request(Address="10.32.0.1") == "10.32.0.1/12"

    with_host(tmp_path, scenario)


def test_address_of_a_container_that_died_unseen_is_given_again(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.request(Address="10.32.0.1")
        await host.connect("n1", "e1", "s1")
        host.links.made.clear()  # the namespace went with the container while nobody told us
        assert await host.request(Address="10.32.0.1") == "10.32.0.1/12"

    with_host(tmp_path, scenario)


def test_allocation_that_waits_names_what_it_waits_for(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        host.router.ring.clear()
        host.router.ipam_status = "awaiting consensus (quorum: 2, known: 1)"
        with pytest.raises(RouterProblem, match=r"awaiting consensus \(quorum: 2, known: 1\)"):
            await host.request()

    with_host(tmp_path, scenario)


async def time_out(host: Host, **body: Any) -> None:
    with pytest.raises(RouterProblem, match="within"):
        await host.request(**body)


@pytest.mark.parametrize("body", [{}, {"Address": "10.32.0.1"}])
def test_address_that_comes_too_late_is_given_back(tmp_path: Path, body: dict[str, Any]) -> None:
    async def scenario(host: Host) -> None:
        repeating = asyncio.create_task(host.releases.run())
        host.router.ring.clear()
        await time_out(host, **body)
        host.router.ring.set()
        # It may be gone again before we look: what counts is that it was given back.
        await until(lambda: any(one.startswith("DELETE ") for one in host.router.requests))
        await until(lambda: not host.router.owned and host.journal.find_releasing() is None)
        assert host.journal.list_held() == []
        repeating.cancel()

    with_host(tmp_path, scenario)


@pytest.mark.parametrize("body", [{}, {"Address": "10.32.0.1"}])
def test_who_asks_again_gets_what_the_one_before_did_not_wait_for(
    tmp_path: Path, body: dict[str, Any]
) -> None:
    async def scenario(host: Host) -> None:
        host.router.ring.clear()
        await time_out(host, **body)
        await time_out(host, **body)
        again = asyncio.create_task(host.request(**body))
        await asyncio.sleep(0)
        host.router.ring.set()
        assert await again == "10.32.0.1/12"
        assert list(host.router.owned) == ["10.32.0.1"]
        assert [held.address for held in host.journal.list_held()] == [parse_address("10.32.0.1")]

    with_host(tmp_path, scenario)


def test_late_claim_spares_the_address_that_another_got(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        host.router.ring.clear()
        await time_out(host, Address="10.32.0.1")
        host.journal.save_address(parse_address("10.32.0.1"), 12)
        host.router.ring.set()
        await until(lambda: "10.32.0.1" in host.router.owned)
        await until(lambda: not host.addresses._pending._left)
        assert host.journal.find_releasing() is None

    with_host(tmp_path, scenario)


def test_without_router_the_original_words(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.router.stop()
        with pytest.raises(RouterProblem) as caught:
            await host.request()
        assert caught.value.message == ABSENT

    with_host(tmp_path, scenario)


@pytest.mark.parametrize("address", ["10.32.0.77", "", "nonsense", "10.32.0.0"])
def test_releasing_what_was_never_given_is_fine(tmp_path: Path, address: str) -> None:
    async def scenario(host: Host) -> None:
        assert await host.release(address) == {}
        assert await host.release(address, "foreign pool") == {}

    with_host(tmp_path, scenario)


def test_release_without_router_is_made_up_for_when_it_is_back(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.request()
        repeating = asyncio.create_task(host.releases.run())
        await host.router.stop()
        assert await host.release("10.32.0.1") == {}
        assert host.journal.find_releasing() == parse_address("10.32.0.1")
        await host.router.start()
        host.releases.wake()
        await until(lambda: host.journal.find_releasing() is None)
        assert host.router.owned == {}
        repeating.cancel()

    with_host(tmp_path, scenario)


def test_release_that_is_heard_late_leaves_the_books_to_the_next_holder(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.request()
        free = AsyncRouterClient.release

        async def release(client: AsyncRouterClient, address: int) -> bool:
            was_held = await free(client, address)
            assert await host.request() == "10.32.0.1/12"
            return was_held

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(AsyncRouterClient, "release", release)
            await host.release("10.32.0.1")
        assert [held.address for held in host.journal.list_held()] == [parse_address("10.32.0.1")]

    with_host(tmp_path, scenario)


def test_late_release_spares_an_address_given_out_again(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.request()
        await host.router.stop()
        await host.release("10.32.0.1")
        await host.router.start()
        assert await host.request(Address="10.32.0.1") == "10.32.0.1/12"
        repeating = asyncio.create_task(host.releases.run())
        host.releases.wake()
        await host.request()  # whatever was to be repeated had its turn
        assert sorted(host.router.owned) == ["10.32.0.1", "10.32.0.2"]
        repeating.cancel()

    with_host(tmp_path, scenario)


def test_multicast_route_follows_the_networks_option(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.call("NetworkDriver.CreateNetwork", NetworkID="on", Options=MULTICAST, IPv4Data=[])
        await host.call("NetworkDriver.CreateNetwork", NetworkID="off", Options={}, IPv4Data=[])
        assert len(await host.connect("on", "e1", "s1")) == 1
        assert await host.connect("off", "e2", "s2") == []
        assert await host.connect("never-heard-of", "e3", "s3") == []

    with_host(tmp_path, scenario)


def test_second_network_of_a_container_brings_no_second_multicast_route(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        for network in ("n1", "n2"):
            await host.call("NetworkDriver.CreateNetwork", NetworkID=network, Options=MULTICAST)
        assert len(await host.connect("n1", "e1", "s1")) == 1
        assert await host.connect("n2", "e2", "s1") == []
        for endpoint in ("e1", "e2"):
            await host.call("NetworkDriver.DeleteEndpoint", NetworkID="n1", EndpointID=endpoint)
        assert len(await host.connect("n2", "e3", "s1")) == 1

    with_host(tmp_path, scenario)


def test_the_flag_switches_the_route_off_everywhere(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.call("NetworkDriver.CreateNetwork", NetworkID="on", Options=MULTICAST)
        assert await host.connect("on", "e1", "s1") == []

    with_host(tmp_path, scenario, wants_multicast_route=False)


def test_endpoint_is_remembered_until_docker_deletes_it(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        await host.connect("n1", "e1", "s1")
        assert host.journal.list_endpoints(is_gone=False) == ["e1"]
        for _ in range(2):
            await host.call("NetworkDriver.Leave", NetworkID="n1", EndpointID="e1")
            await host.call("NetworkDriver.DeleteEndpoint", NetworkID="n1", EndpointID="e1")
            await host.call("NetworkDriver.DeleteNetwork", NetworkID="n1")
        assert host.links.made == {}
        assert host.journal.list_endpoints(is_gone=False) == []
        assert host.journal.list_endpoints(is_gone=True) == ["e1"]

    with_host(tmp_path, scenario)


def test_failed_endpoint_leaves_nothing_behind(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        host.links.problem = "weave bridge not present. Did you launch weave?"
        with pytest.raises(HostProblem, match="Did you launch weave"):
            await host.connect("n1", "e1", "s1")
        host.links.problem, host.links.hangs = None, True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):  # as the server's deadline does
                await host.connect("n1", "e2", "s2")
        assert host.journal.list_endpoints(is_gone=False) == []
        assert host.links.deleted == ["e1", "e2"]

    with_host(tmp_path, scenario)


def test_interface_without_address_is_refused(tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        with pytest.raises(UsageProblem, match="not supported"):
            await host.call("NetworkDriver.CreateEndpoint", NetworkID="n1", EndpointID="e1", Interface=None)

    with_host(tmp_path, scenario)
