"""Addresses that Docker gave back while the router was away: given back for it, later. Knows no socket.

A release that Docker sees fail is lost for good, so it never fails: it is written down and tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from weave_cli.addresses import format_address
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.errors import RouterProblem, StoreProblem
from weave_cli.plugin.journal import Journal

log = logging.getLogger(__name__)

_RETRY_S: Final = 2.0
_FIRST_TRY_S: Final = 3.0
_LAST_TRIES_S: Final = 1.0


class Releases:
    """Gives addresses back to the router, now or when it returns.

    An address that waits here may be given out again, by a router that forgot that it was taken. So no
    repeated release runs while an address is asked for: see `paused`.
    """

    def __init__(self, router: AsyncRouterClient, journal: Journal) -> None:
        self._router = router
        self._journal = journal
        self._first_tries: dict[int, asyncio.Task[None]] = {}
        self._asking = 0
        self._repeating = asyncio.Lock()
        self._wake = asyncio.Event()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No address is given back a second time meanwhile; what was given out is saved inside."""
        self._asking += 1
        try:
            async with self._repeating:
                pass  # one that is under way ends first
            yield
        finally:
            self._asking -= 1
            self._wake.set()  # a full pool may wait for just the address that we could not give back

    def release_soon(self, address: int) -> None:
        """Give it back without being waited for."""
        before = self._first_tries.get(address)
        task = asyncio.create_task(self._release_after(before, address))
        self._first_tries[address] = task
        task.add_done_callback(lambda _: self._forget_try(address, task))

    async def settled(self, address: int) -> None:
        """Return when nobody is just giving that address back: to ask for it earlier would ask too early."""
        while (task := self._first_tries.get(address)) is not None:
            await asyncio.wait((task,))

    async def close(self) -> None:
        """Let those end that are under way."""
        if self._first_tries:
            await asyncio.wait(tuple(self._first_tries.values()), timeout=_LAST_TRIES_S)

    async def release(self, address: int) -> None:
        """Give it back; never fails."""
        before = self._find_serial(address)
        problem: Exception | None = None
        try:
            async with asyncio.timeout(_FIRST_TRY_S):
                await self._router.release(address)
        except (RouterProblem, TimeoutError) as found:
            problem = found
        if self._find_serial(address) != before:
            return  # the router gave it out again, and that was heard first
        if problem is not None:
            log.warning("will release %s later: %s", format_address(address), problem)
            self.postpone(address)
            return
        try:
            self._journal.remove_address(address)
        except StoreProblem as problem:
            log.error("%s", problem)

    def postpone(self, address: int) -> None:
        """To be given back by `run`."""
        try:
            self._journal.mark_address_releasing(address)
        except StoreProblem as problem:
            log.error("address %s is lost to its pool: %s", format_address(address), problem)
        self._wake.set()

    def wake(self) -> None:
        """The router is back: try now."""
        self._wake.set()

    async def run(self) -> None:
        """Repeat for ever."""
        while True:
            while (address := self._journal.find_releasing()) is not None:
                if not await self._repeat(address):
                    break
            self._wake.clear()
            wait_s = _RETRY_S if address is not None else None
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _release_after(self, before: asyncio.Task[None] | None, address: int) -> None:
        if before is not None:
            await asyncio.wait((before,))
        await self.release(address)

    def _forget_try(self, address: int, task: asyncio.Task[None]) -> None:
        if self._first_tries.get(address) is task:
            del self._first_tries[address]

    def _find_serial(self, address: int) -> int | None:
        try:
            return self._journal.find_serial(address)
        except StoreProblem as problem:
            log.error("%s", problem)
            return None

    async def _repeat(self, address: int) -> bool:
        async with self._repeating:
            if self._asking:
                return False
            if not self._journal.is_releasing(address):
                return True
            try:
                async with asyncio.timeout(_FIRST_TRY_S):
                    was_held = await self._router.release(address)
            except (RouterProblem, TimeoutError):
                return False
            self._journal.remove_address(address)
            log.info("released %s%s", format_address(address), "" if was_held else ", which was free already")
            return True
