"""Drives a sans-I/O forwarder: takes its events to who acts on them, and wakes it when it wants to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from weave_cli.router.overlay.roles import Forwarder


def loop_time() -> float:
    """The loop's clock: nobody sets it, so no leap of the wall clock looks like a silence."""
    return asyncio.get_running_loop().time()


class Driver:
    """The only one who sets a timer for its forwarder; after `close` nothing comes of it any more."""

    def __init__(self, forwarder: Forwarder, act: Callable[[Any], None]) -> None:
        """`act` does what an event asks for; it may close the driver."""
        self._forwarder = forwarder
        self._act = act
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def start(self) -> None:
        self._forwarder.start(loop_time())
        self.settle()

    def settle(self) -> None:
        """To be called after the forwarder was told anything."""
        while not self._is_closed and (event := self._forwarder.next_event()) is not None:
            self._act(event)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake = self._forwarder.next_wake()
        if wake is not None and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_at(wake, self._on_timer)

    def close(self) -> None:
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        self._forwarder.on_wake(loop_time())
        self.settle()
