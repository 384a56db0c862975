"""Work that is begun and not waited for: kept until it ends, and its failure told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

log = logging.getLogger(__name__)


async def unless(given_up: asyncio.Event, work: Coroutine[object, object, None]) -> None:
    """Await the work; cancel it when it is given up, which is no error."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(given_up.wait())
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        task.cancel()
        watch.cancel()


class Tasks:
    """The tasks of one owner."""

    def __init__(self, failure: str) -> None:
        """`failure`: what the log says of one that failed, before its reason."""
        self._failure = failure
        self._running: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start it in this loop; who drops the task does not end it."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finished)
        return task

    async def ended(self) -> None:
        """When all that runs now has ended, however it did."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("%s: %s", self._failure, problem)
