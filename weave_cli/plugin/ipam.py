"""The address driver: Docker's pools and addresses, taken from the router's allocator. Knows no socket.

Addresses are filed in the router under their own dotted text, for no request says which container they are
for (specification plugin, section 5).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from weave_cli.addresses import Cidr, format_address, parse_address
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.api.sync import RouterUnreachable
from weave_cli.errors import RouterProblem, StoreProblem, UsageProblem, WeaveError
from weave_cli.plugin import protocol
from weave_cli.plugin.boot import BootGrace
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.pending import PendingRequests
from weave_cli.plugin.protocol import AddressWish, Pool, Reply, host_link
from weave_cli.plugin.releases import Releases
from weave_cli.plugin.server import Call

log = logging.getLogger(__name__)

#: Shorter than the server's deadline: there must be time left to ask why it takes so long.
_ALLOCATION_LIMIT_S: Final = 8.5
#: The router's words for a subnet that it has no addresses of.
_OUTSIDE: Final = " out of bounds: "


def _is_link_present(name: str) -> bool:
    from weave_cli.host.veth import is_link_present

    return is_link_present(name)


class AddressDriver:
    """Answers the IpamDriver calls."""

    def __init__(
        self,
        router: AsyncRouterClient,
        journal: Journal,
        releases: Releases,
        boot: BootGrace,
        *,
        limit_s: float = _ALLOCATION_LIMIT_S,
        is_link_present: Callable[[str], bool] = _is_link_present,
    ) -> None:
        """is_link_present: is there a network device of that name on this host?"""
        self._router = router
        self._journal = journal
        self._releases = releases
        self._boot = boot
        self._pending = PendingRequests(self._give_back_late)
        self._limit_s = limit_s
        self._is_link_present = is_link_present

    def calls(self) -> dict[str, Call]:
        return {
            "IpamDriver.GetCapabilities": self.get_capabilities,
            "IpamDriver.GetDefaultAddressSpaces": self.get_address_spaces,
            "IpamDriver.RequestPool": self.request_pool,
            "IpamDriver.ReleasePool": self.release_pool,
            "IpamDriver.RequestAddress": self.request_address,
            "IpamDriver.ReleaseAddress": self.release_address,
        }

    async def close(self) -> None:
        """Wait for no more addresses."""
        await self._pending.close()

    async def get_capabilities(self, _body: Mapping[str, Any]) -> Reply:
        return {"RequiresMACAddress": False, "RequiresRequestReplay": False}

    async def get_address_spaces(self, _body: Mapping[str, Any]) -> Reply:
        return {"LocalDefaultAddressSpace": "weavelocal", "GlobalDefaultAddressSpace": "weaveglobal"}

    async def request_pool(self, body: Mapping[str, Any]) -> Reply:
        """Nothing is reserved: pools of several networks may overlap, their addresses do not."""
        wish = protocol.read_pool_wish(body)
        subnet = wish.subnet or await self._router.default_subnet()
        return protocol.pool_reply(Pool(subnet=subnet, part=wish.part or subnet))

    async def release_pool(self, _body: Mapping[str, Any]) -> Reply:
        return {}

    async def request_address(self, body: Mapping[str, Any]) -> Reply:
        wish = protocol.read_address_wish(body)
        if wish.is_gateway and wish.address is None and wish.pool is not None:
            return protocol.address_reply(wish.pool.subnet.address, wish.pool.subnet.prefix_len)
        async with self._releases.paused():
            cidr = await self._obtain(wish)
            self._save(cidr)
        return protocol.address_reply(cidr.address, cidr.prefix_len)

    async def release_address(self, body: Mapping[str, Any]) -> Reply:
        """Always a success, and at once: there is nothing that Docker could do about a failure.

        Should we die before the router hears of it, the comparison with Docker finds the address.
        """
        pool_id, text = protocol.read_release(body)
        try:
            address = parse_address(text)
            pool = protocol.parse_pool_id(pool_id)
        except UsageProblem as problem:
            log.warning("released nothing: %s", problem)
            return {}
        if pool is None or address != pool.subnet.address:  # that one is the fake gateway
            self._releases.release_soon(address)
        return {}

    async def _obtain(self, wish: AddressWish) -> Cidr:
        """The address, with its subnet's prefix length; raises RouterProblem naming what is in the way."""
        try:
            if wish.pool is not None and wish.address is not None:
                self._check_unused(wish.address)
                await self._releases.settled(wish.address)
            return await self._pending.ask(wish, partial(self._await_router, wish), self._limit_s)
        except TimeoutError:
            raise RouterProblem(await self._explain_wait(wish)) from None

    async def _await_router(self, wish: AddressWish) -> Cidr:
        return await self._boot.wait_out(partial(self._ask_router, wish), RouterUnreachable)

    async def _ask_router(self, wish: AddressWish) -> Cidr:
        if wish.pool is None:
            return await self._router.allocate()
        if wish.address is None:
            try:
                got = await self._router.allocate(wish.pool.part)
            except RouterProblem as problem:
                if _OUTSIDE not in problem.message:
                    raise
                raise UsageProblem(
                    f"{problem.message}: choose the container's address with --ip, or make the network with a"
                    " --subnet inside of that"
                ) from None
            return Cidr(got.address, wish.pool.subnet.prefix_len)
        wanted = Cidr(wish.address, wish.pool.subnet.prefix_len)
        await self._router.claim(wanted)
        return wanted

    def _give_back_late(self, address: int) -> None:
        """Nobody waits for it any more; unless it was given to somebody else here in the meantime."""
        try:
            is_held = self._journal.find_serial(address) is not None
        except StoreProblem as problem:
            log.error("address %s is lost to its pool: %s", format_address(address), problem)
            return
        if not is_held:
            self._releases.postpone(address)

    def _check_unused(self, address: int) -> None:
        """The router knows no containers, and grants this host an address again that it has already.

        What counts is an endpoint with a device: one that outlived its container, because Docker or the
        plugin was killed, must not keep the container from starting again.
        """
        for endpoint_id in self._journal.list_endpoints_at(address):
            if self._is_link_present(host_link(endpoint_id)):
                raise UsageProblem(
                    f"address {format_address(address)} is in use by another container of this host"
                )

    async def _explain_wait(self, wish: AddressWish) -> str:
        where = f" in {wish.pool.part}" if wish.pool else ""
        waited = f"no address{where} within {self._limit_s:.0f} s"
        try:
            status = await self._router.allocator_status()
        except RouterProblem as problem:
            return f"{waited}: {problem}"
        if status == "ready":
            status = "all peers with free addresses are busy or out of reach"
        return (
            f"{waited}: the address allocator says: {status}"
            if status
            else f"{waited}: there is no allocator"
        )

    def _save(self, cidr: Cidr) -> None:
        try:
            self._journal.save_address(cidr.address, cidr.prefix_len)
        except WeaveError:
            self._releases.postpone(cidr.address)
            raise
