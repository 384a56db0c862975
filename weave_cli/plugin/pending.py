"""Requests for addresses that outlive whoever made them. Knows no Docker and no journal.

The router answers when it can; Docker is answered in time. A request that is cut off may have been granted at
that very moment, and the address would then be in nobody's books. So it is not cut off: the next one who asks
for the same takes it over, and what nobody wants any more when it comes is given back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any

from weave_cli.addresses import Cidr
from weave_cli.errors import RouterProblem

log = logging.getLogger(__name__)

Begin = Callable[[], Coroutine[Any, Any, Cidr]]


class PendingRequests:
    """At most as many for one thing as were ever asked for at the same time."""

    def __init__(self, give_back: Callable[[int], None]) -> None:
        """give_back: is told addresses that came too late."""
        self._give_back = give_back
        self._left: dict[Hashable, list[asyncio.Task[Cidr]]] = {}

    async def ask(self, wish: Hashable, begin: Begin, limit_s: float) -> Cidr:
        """What the router grants; raises TimeoutError after so many seconds, and RouterProblem as `begin`."""
        left = self._left.get(wish)
        task = left.pop() if left else asyncio.create_task(begin())
        try:
            done, _ = await asyncio.wait((task,), timeout=limit_s)
        except asyncio.CancelledError:
            self._leave(wish, task)
            raise
        if not done:
            self._leave(wish, task)
            raise TimeoutError
        return task.result()

    async def close(self) -> None:
        """Give all up; the router learns it from the end of their connections."""
        tasks = [task for left in self._left.values() for task in left]
        self._left.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _leave(self, wish: Hashable, task: asyncio.Task[Cidr]) -> None:
        self._left.setdefault(wish, []).append(task)
        task.add_done_callback(partial(self._on_end, wish))

    def _on_end(self, wish: Hashable, task: asyncio.Task[Cidr]) -> None:
        left = self._left.get(wish, [])
        if task not in left:
            return  # somebody waits for it again
        left.remove(task)
        if not left:
            del self._left[wish]
        if task.cancelled():
            return
        problem = task.exception()
        if problem is None:
            cidr = task.result()
            log.info("%s comes too late: giving it back", cidr)
            self._give_back(cidr.address)
        elif not isinstance(problem, RouterProblem):
            log.error("a request for an address failed: %r", problem)
