"""Addresses for a container, asked of the router before attaching takes its turn on the host."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from weave_cli.api.sync import RouterUnreachable
from weave_cli.daemon_thread import in_thread
from weave_cli.error_codes import Code
from weave_cli.errors import RouterProblem
from weave_cli.proxy.rewriting.membership import Member
from weave_cli.settings import Settings

if TYPE_CHECKING:
    from weave_cli.addresses import Fixed
    from weave_cli.api.aio import AsyncRouterClient

log = logging.getLogger(__name__)

#: How long an address may take; the plugin's limit, too.
ADDRESS_LIMIT_S: Final = 10.0


class RouterAway(RouterProblem):
    """Nobody answers for the router."""


class AddressDesk:
    """Asks for what attaching will then find at once."""

    def __init__(self, router: AsyncRouterClient, settings: Settings, *, limit_s: float) -> None:
        """limit_s: for each address, in seconds."""
        self._router = router
        self._settings = settings
        self._limit_s = limit_s

    async def obtain(self, container_id: str, member: Member) -> None:
        """What attaching will then find at once; raises RouterProblem naming what is in the way."""
        from weave_cli.addresses import Fixed

        try:
            for wish in member.wishes:
                async with asyncio.timeout(self._limit_s):
                    if isinstance(wish, Fixed):
                        await self._claim(container_id, wish)
                    else:
                        await self._router.allocate(wish.subnet, ident=container_id)
        except RouterUnreachable as problem:
            from weave_cli.operations.asking import explain_unreachable

            given = problem
            explained = await in_thread(lambda: explain_unreachable(given, self._settings), "docker")
            if explained.code is Code.ROUTER_ABSENT and all(isinstance(one, Fixed) for one in member.wishes):
                return  # nobody launched one: as with 'weave attach', these are for the next launch to claim
            raise RouterAway(explained.message, hint=explained.hint, code=explained.code) from None
        except TimeoutError:
            raise RouterProblem(await self._explain_wait(), hint="See 'weave status ipam'.") from None

    async def _claim(self, container_id: str, wish: Fixed) -> None:
        """So that it waits here, if it waits; who has the address already, attaching finds out by itself."""
        try:
            await self._router.claim(wish.cidr, ident=container_id)
        except RouterUnreachable:
            raise
        except RouterProblem as problem:
            log.debug("%s", problem)

    async def _explain_wait(self) -> str:
        waited = f"no address within {self._limit_s:.0f} s"
        try:
            status = await self._router.allocator_status()
        except RouterProblem as problem:
            return f"{waited}: {problem}"
        if status in (None, "ready"):
            status = "all peers with free addresses are busy or out of reach"
        return f"{waited}: the address allocator says: {status}"
