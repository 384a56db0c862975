"""Is the router there, and is it still the same one? Asked again and again. Knows no Docker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from weave_cli.api.aio import AsyncRouterClient, Contact
from weave_cli.errors import RouterProblem

log = logging.getLogger(__name__)

_INTERVAL_S: Final = 2.0


class RouterPulse:
    """Tells when a router answers for the first time, again, or under another identity.

    All of these mean that it may have forgotten what we told it.
    """

    def __init__(self, router: AsyncRouterClient, *, interval_s: float = _INTERVAL_S) -> None:
        self._router = router
        self._interval_s = interval_s
        self._listeners: list[Callable[[], None]] = []
        self.contact: Contact | None = None
        """The router as last seen; None while it is away."""

    def add_listener(self, on_return: Callable[[], None]) -> None:
        self._listeners.append(on_return)

    def report_failure(self) -> None:
        """A call of somebody else failed: the next answer counts as a return."""
        self.contact = None

    async def run(self) -> None:
        """Ask for ever."""
        is_lost = False
        while True:
            try:
                contact = await self._router.contact()
            except RouterProblem as problem:
                if not is_lost:
                    log.warning("no router: %s", problem)
                is_lost, self.contact = True, None
            else:
                if contact != self.contact:
                    log.info("the router answers%s", " again" if is_lost else "")
                    is_lost, self.contact = False, contact
                    for on_return in self._listeners:
                        on_return()
            # What waits for a router that is away, waits for this.
            await asyncio.sleep(self._interval_s if self.contact else self._interval_s / 4)
