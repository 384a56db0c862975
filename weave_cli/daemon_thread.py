"""Calls that may hang, in threads that keep no process alive, as asyncio's own threads do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[[], T], name: str) -> T:
    """What the function gives or raises in a daemon thread; when cancelled, the thread is left to itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(answer: Callable[[], None]) -> None:
        if not future.done():
            answer()

    def run() -> None:
        try:
            result = function()
        except Exception as problem:
            answer = _bind(future.set_exception, problem)
        else:
            answer = _bind(future.set_result, result)
        with suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future


def _bind(function: Callable[[T], None], value: T) -> Callable[[], None]:
    return lambda: function(value)
