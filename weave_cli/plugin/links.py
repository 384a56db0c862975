"""Makes veth pairs for endpoints and clears them away later. The plugin's only way to the kernel.

Netlink calls block, so they have a thread of their own; one is enough, for the kernel does such work one at
a time anyway.

To move a device between namespaces takes the kernel 14 ms or more, for it waits until no processor uses it
any more (rcu_barrier). Docker moves the guest end into the container, and back when it leaves, though
the container's namespace is about to go and would take it along. It renames the device before it moves it
back, to the name that Join told, and where that fails it leaves the device. So Join tells a *second* name of
the guest end: Docker finds the device by it, but no device can be renamed to a name that it has. Kernels
before 5.5 know no second names; there the guest end goes back as ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from weave_cli.api.sync import RouterUnreachable
from weave_cli.errors import HostProblem, RouterProblem, StoreProblem
from weave_cli.host.bridge import BridgeAbsent
from weave_cli.host.veth import create_endpoint_veth, delete_link, is_link_present, list_links
from weave_cli.names import BRIDGE, HOST_LINK_PREFIX, MOVING_LINK_PREFIX
from weave_cli.plugin.boot import BootGrace
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.options import NetworkFacts
from weave_cli.plugin.protocol import guest_link, guest_second_name, host_link
from weave_cli.realms import realm_of

log = logging.getLogger(__name__)

#: When a container ends, its namespace goes and takes our pair along: by then there is nothing left to do.
_PATIENCE_S: Final = 1.0
_LAST_CLEARING_S: Final = 2.0

_HOST_PREFIX: Final = host_link("")


class RealmMaker(Protocol):
    """Who makes the bridges of isolated networks: the router."""

    async def ensure_realm(self, key: str) -> None:
        """The realm has a bridge on this host; raises RouterProblem, RouterUnreachable without a router."""

    async def drop_realm(self, key: str) -> None:
        """It need not have one any more; raises RouterProblem."""


class BridgeLinks:
    """Endpoints as veth pairs on the weave bridge (network.EndpointLinks)."""

    def __init__(
        self, journal: Journal, boot: BootGrace, realms: RealmMaker, *, patience_s: float = _PATIENCE_S
    ) -> None:
        self._realms = realms
        self._journal = journal
        self._boot = boot
        self._patience_s = patience_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="links")
        self._gone: list[str] = []
        self._wake = asyncio.Event()

    async def create(self, endpoint_id: str, mac: str | None) -> str:
        """Raises HostProblem when the bridge is not there or the kernel refuses."""
        facts = self._journal.find_network_of(endpoint_id)
        return await self._boot.wait_out(lambda: self._create(endpoint_id, mac, facts), BridgeAbsent)

    async def _create(self, endpoint_id: str, mac: str | None, facts: NetworkFacts | None) -> str:
        bridge, mtu = BRIDGE, 0 if facts is None else facts.mtu
        if facts is not None and facts.realm:
            bridge = realm_of(facts.realm).bridge
            await self._ensure_realm(facts.realm, bridge)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _create, endpoint_id, mac, bridge, mtu)

    async def _ensure_realm(self, key: str, bridge: str) -> None:
        """Without a router what is there goes on serving, as the shared bridge does."""
        try:
            await self._realms.ensure_realm(key)
        except RouterUnreachable as problem:
            if not is_link_present(bridge):
                raise BridgeAbsent(f"{problem.message} It makes the bridge of this network.") from problem

    async def find_guest(self, endpoint_id: str) -> str:
        """Raises HostProblem when the pair is gone and cannot be made again.

        It is gone when Docker leaves and joins one and the same endpoint.
        """
        for name in (guest_second_name(endpoint_id), guest_link(endpoint_id)):
            if is_link_present(name):
                return name
        log.info("endpoint %s: its guest end is not on the host; making the pair again", endpoint_id)
        await self.create(endpoint_id, None)
        has_second = is_link_present(guest_second_name(endpoint_id))
        return guest_second_name(endpoint_id) if has_second else guest_link(endpoint_id)

    def delete_later(self, endpoint_id: str) -> None:
        self._gone.append(endpoint_id)
        self._wake.set()

    async def list_unknown(self, endpoint_ids: Collection[str]) -> frozenset[str]:
        """Also those of `weave attach` that nobody moved into a container: both ends are here."""
        names = await asyncio.get_running_loop().run_in_executor(self._thread, list_links, "vethw")
        present = frozenset(names)
        ours = frozenset(name for name in present if name.startswith(_HOST_PREFIX))
        halves = frozenset(
            name
            for name in present
            if name.startswith(HOST_LINK_PREFIX)
            and name.replace(HOST_LINK_PREFIX, MOVING_LINK_PREFIX) in present
        )
        return self.without(ours, endpoint_ids) | halves

    def without(self, devices: Collection[str], endpoint_ids: Collection[str]) -> frozenset[str]:
        """Those of the devices that belong to none of these endpoints."""
        return frozenset(devices).difference(map(host_link, endpoint_ids))

    async def delete(self, device: str) -> None:
        """At once; no error when it is gone."""
        await asyncio.get_running_loop().run_in_executor(self._thread, delete_link, device)

    async def run(self) -> None:
        """Clear away what is done with, from an earlier life too; for ever."""
        self._gone = [*self._journal.list_endpoints(is_gone=True), *self._gone]
        await asyncio.get_running_loop().run_in_executor(self._thread, _warm_up)
        while True:
            if not self._gone:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(self._patience_s)
            await self._clear()

    async def close(self) -> None:
        """Clear away what still waits, if that goes quickly."""
        try:
            async with asyncio.timeout(_LAST_CLEARING_S):
                await self._clear()
        except TimeoutError:
            log.warning("%d endpoints are left to be cleared away at the next start", len(self._gone))
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _clear(self) -> None:
        for endpoint_id in tuple(self._gone):
            try:
                if is_link_present(host_link(endpoint_id)):
                    await asyncio.get_running_loop().run_in_executor(self._thread, _delete, endpoint_id)
                facts = self._journal.find_network_of(endpoint_id)
                self._journal.remove_endpoint(endpoint_id)
                if facts is not None and facts.realm:
                    await self._leave_realm(facts.realm)
            except (HostProblem, StoreProblem) as problem:
                log.warning("endpoint %s is not cleared away yet: %s", endpoint_id, problem)
                return
            self._gone.remove(endpoint_id)

    async def _leave_realm(self, key: str) -> None:
        """Other hosts need not send us its frames any more, unless we have another container in it."""
        if self._journal.has_endpoints_in(key):
            return
        try:
            await self._realms.drop_realm(key)
        except RouterProblem as problem:
            log.debug("realm %s stays until the router sees that it is empty: %s", key, problem)


def _warm_up() -> None:
    """The first use of netlink imports for 0.15 s: not while a container starts."""
    list_links("vethwl")


def _create(endpoint_id: str, mac: str | None, bridge: str, mtu: int) -> str:
    made = create_endpoint_veth(
        host_link(endpoint_id),
        guest_link(endpoint_id),
        bridge=bridge,
        mac=mac,
        most_mtu=mtu or None,
        second_name=guest_second_name(endpoint_id),
    )
    return made.mac


def _delete(endpoint_id: str) -> None:
    delete_link(host_link(endpoint_id))
