"""Endpoints of the plugin as veth pairs in a namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from tests.fakes.until import until
from tests.kernel.namespaces import Host, Underlay, call_in
from weave_cli.api.sync import RouterUnreachable
from weave_cli.errors import HostProblem
from weave_cli.plugin.boot import BootGrace
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.links import BridgeLinks
from weave_cli.plugin.options import NetworkFacts
from weave_cli.realms import realm_of

pytestmark = pytest.mark.kernel

ENDPOINT = "0123456789abcdef" * 4


class FakeRealms:
    """A router that makes bridges at once, or is not there."""

    def __init__(self, host: Host | None = None) -> None:
        self._host = host
        self.is_there = True
        self.dropped: list[str] = []

    async def ensure_realm(self, key: str) -> None:
        if not self.is_there:
            raise RouterUnreachable("there is no router")
        bridge = realm_of(key).bridge
        if self._host is not None and bridge not in devices(self._host):
            self._host.run(f"ip link add {bridge} mtu 1450 type bridge")

    async def drop_realm(self, key: str) -> None:
        if not self.is_there:
            raise RouterUnreachable("there is no router")
        self.dropped.append(key)


def on_host(
    host: Host,
    path: Path,
    scenario: Callable[[BridgeLinks, Journal], Awaitable[None]],
    *,
    grace_s: float = 0,
    realms: FakeRealms | None = None,
) -> None:
    """Run a scenario inside the host's namespace; pairs are cleared away at once, not after a while."""

    async def run() -> None:
        journal = Journal(str(path / "plugin.db"))
        links = BridgeLinks(journal, BootGrace(grace_s=grace_s), realms or FakeRealms(), patience_s=0)
        task = asyncio.create_task(links.run())
        try:
            async with asyncio.timeout(20):
                await scenario(links, journal)
        finally:
            task.cancel()
            await links.close()
            journal.close()

    call_in(host.namespace, lambda: asyncio.run(run()))


def devices(host: Host) -> set[str]:
    return {line.split()[0].partition("@")[0] for line in host.run("ip -br link").splitlines()}


def test_pair_waits_at_a_boot_for_the_bridge(underlay: Underlay, tmp_path: Path) -> None:
    host = underlay.host()

    async def scenario(links: BridgeLinks, _journal: Journal) -> None:
        creating = asyncio.create_task(links.create(ENDPOINT, None))
        await asyncio.sleep(0.5)
        assert not creating.done()
        host.run("ip link add weave mtu 1450 type bridge")
        await creating
        assert "master weave" in host.run("ip link show vethwl012345678")

    on_host(host, tmp_path, scenario, grace_s=20)


def test_pair_is_made_on_the_bridge_and_cleared_away(underlay: Underlay, tmp_path: Path) -> None:
    host = underlay.host()
    host.run("ip link add weave mtu 1450 type bridge")

    async def scenario(links: BridgeLinks, journal: Journal) -> None:
        journal.save_endpoint(ENDPOINT, "n1", "10.32.0.1/12")
        mac = await links.create(ENDPOINT, None)
        assert mac in host.run("ip -br link show vethwg012345678")
        assert "master weave" in host.run("ip link show vethwl012345678")
        assert "mtu 1450" in host.run("ip link show vethwg012345678")
        journal.mark_endpoint_gone(ENDPOINT)
        links.delete_later(ENDPOINT)
        await until(lambda: journal.list_endpoints(is_gone=True) == [])

    on_host(host, tmp_path, scenario)
    assert not {"vethwl012345678", "vethwg012345678"} & devices(host)


def test_mac_address_that_docker_wants_is_used(underlay: Underlay, tmp_path: Path) -> None:
    host = underlay.host()
    host.run("ip link add weave type bridge")

    async def scenario(links: BridgeLinks, _journal: Journal) -> None:
        assert await links.create(ENDPOINT, "02:aa:bb:cc:dd:01") == "02:aa:bb:cc:dd:01"

    on_host(host, tmp_path, scenario)
    assert "02:aa:bb:cc:dd:01" in host.run("ip -br link show vethwg012345678")


def test_guest_end_can_be_moved_by_its_second_name_but_not_renamed_to_it(
    underlay: Underlay, tmp_path: Path
) -> None:
    """What Docker does: find the device, move it, call it ethwe0; and at the end, before it moves it back."""
    host = underlay.host()
    host.run("ip link add weave type bridge")
    container = underlay.namespace("c")

    async def scenario(links: BridgeLinks, _journal: Journal) -> None:
        await links.create(ENDPOINT, None)
        name = await links.find_guest(ENDPOINT)
        assert name == "vethwx012345678"
        host.run(f"ip link set {name} netns {container}")
        underlay.run_in(container, f"ip link set {name} name ethwe0")
        with pytest.raises(CalledProcessError) as refused:
            underlay.run_in(container, f"ip link set ethwe0 name {name}")
        assert "exists" in refused.value.stderr
        # Docker may leave, and join the same endpoint again.
        assert await links.find_guest(ENDPOINT) == name
        assert "vethwg012345678" in host.run(f"ip link show {name}")
        assert "ethwe0" not in underlay.run_in(container, "ip -br link")

    on_host(host, tmp_path, scenario)


def test_without_bridge_nothing_is_made(underlay: Underlay, tmp_path: Path) -> None:
    host = underlay.host()

    async def scenario(links: BridgeLinks, _journal: Journal) -> None:
        with pytest.raises(HostProblem, match="Did you launch weave"):
            await links.create(ENDPOINT, None)

    on_host(host, tmp_path, scenario)
    assert devices(host) == {"lo", "eth0"}


def test_endpoints_of_an_earlier_life_are_cleared_away(underlay: Underlay, tmp_path: Path) -> None:
    host = underlay.host()
    host.run("ip link add weave type bridge")
    before = Journal(str(tmp_path / "plugin.db"))
    before.mark_endpoint_gone(ENDPOINT)
    before.mark_endpoint_gone("f" * 64)  # whose devices are gone already
    before.close()
    host.run("ip link add vethwl012345678 type veth peer name vethwg012345678")

    async def scenario(_links: BridgeLinks, journal: Journal) -> None:
        await until(lambda: journal.list_endpoints(is_gone=True) == [])

    on_host(host, tmp_path, scenario)
    assert devices(host) == {"lo", "eth0", "weave"}


def test_end_of_the_plugin_clears_away_what_still_waits(underlay: Underlay, tmp_path: Path) -> None:
    host = underlay.host()
    host.run("ip link add weave type bridge")

    async def scenario(links: BridgeLinks, _journal: Journal) -> None:
        await links.create(ENDPOINT, None)
        links.delete_later(ENDPOINT)  # and the scenario ends before its turn comes

    on_host(host, tmp_path, scenario)
    assert devices(host) == {"lo", "eth0", "weave"}


def test_pair_of_an_isolated_network_is_in_the_bridge_that_the_router_made(
    underlay: Underlay, tmp_path: Path
) -> None:
    host = underlay.host()
    host.run("ip link add weave mtu 1450 type bridge")
    realms = FakeRealms(host)

    async def scenario(links: BridgeLinks, journal: Journal) -> None:
        journal.save_network("n1", NetworkFacts(driver="weave", realm="shop", mtu=1300))
        journal.save_endpoint(ENDPOINT, "n1", "10.40.0.1/16")
        realms.is_there = False
        with pytest.raises(HostProblem, match="no router"):
            await links.create(ENDPOINT, None)
        realms.is_there = True
        await links.create(ENDPOINT, None)
        assert f"master {realm_of('shop').bridge}" in host.run("ip link show vethwl012345678")
        assert "mtu 1300" in host.run("ip link show vethwg012345678")
        realms.is_there = False  # what it made goes on serving
        other = "f" * 64
        journal.save_endpoint(other, "n1", "10.40.0.2/16")
        await links.create(other, None)
        assert f"master {realm_of('shop').bridge}" in host.run("ip link show vethwlfffffffff")

    on_host(host, tmp_path, scenario, realms=realms)
