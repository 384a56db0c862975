"""Patience at a boot: Docker starts router, plugin and users' containers at once, and the last only once.

A container whose address or bridge is not there yet would stay down. So for a while after our own start,
which is the boot more often than not, we wait for the router instead of saying that it is absent. Each call's
own deadline still counts. Later an absent router is an error at once: nobody shall wait for what was stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

#: Seconds after our start in which a router may still be starting, too.
_GRACE_S: Final = 60.0
_PAUSE_S: Final = 0.1


class BootGrace:
    """Counts from when it is made."""

    def __init__(self, *, grace_s: float = _GRACE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at = clock() + grace_s

    async def wait_out(self, begin: Callable[[], Awaitable[T]], absence: type[Exception]) -> T:
        """What `begin` gives; tried again while it raises `absence` and the grace lasts."""
        while True:
            try:
                return await begin()
            except absence:
                if self._clock() >= self._ends_at:
                    raise
            await asyncio.sleep(_PAUSE_S)
