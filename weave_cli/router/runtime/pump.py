"""The pump: settles everything after each stimulus, and calls whoever waits for a moment when it has come.

Runs in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from weave_cli.errors import StoreProblem

log = logging.getLogger(__name__)

#: Seconds between two tries to write the journal.
_RETRY_S: Final = 1.0
#: A clock that goes back by more seconds than this was set; by less, it was only corrected.
_SET_BACK_S: Final = 1.0


class Sleeper(Protocol):
    """A part of the router that does something when its time has come; times are Unix seconds."""

    def next_wake(self) -> float | None: ...
    def on_wake(self, now: float) -> None: ...
    def set_back(self, by_s: float) -> None: ...


class Pump:
    """One for the whole router."""

    def __init__(
        self, sleepers: Sequence[Sleeper], clock: Callable[[], float], settle: Callable[[], None]
    ) -> None:
        """sleepers: one of them always waits for something. settle: does so once; raises StoreProblem."""
        self._sleepers = sleepers
        self._clock = clock
        self._settle = settle
        self._timer: asyncio.TimerHandle | None = None
        self._is_running = False
        self._run_again = False
        self._clock_lead_s = clock() - time.monotonic()

    def run(self) -> None:
        """Settle everything; with a journal that cannot be written, nothing is said until it can."""
        try:
            self.run_for_caller()
        except StoreProblem as problem:
            log.error("%s; trying again", problem.message)

    def run_for_caller(self) -> None:
        """Settle everything, then set the alarm.

        Raises StoreProblem; what was noted is kept, and tried again soon.
        """
        if self._is_running:
            # Links that close while we settle come back here; one loop is enough.
            self._run_again = True
            return
        self._follow_clock()
        self._is_running = True
        is_stuck = True
        try:
            self._run_again = True
            while self._run_again:
                self._run_again = False
                self._settle()
            is_stuck = False
        finally:
            self._is_running = False
            self._set_alarm(_RETRY_S if is_stuck else None)

    def stop(self) -> None:
        """No alarm comes any more."""
        if self._timer:
            self._timer.cancel()

    def _set_alarm(self, within_s: float | None) -> None:
        if self._timer:
            self._timer.cancel()
        delay_s = within_s
        if delay_s is None:
            wakes = [wake for one in self._sleepers if (wake := one.next_wake()) is not None]
            delay_s = max(0.0, min(wakes) - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_alarm)

    def _follow_clock(self) -> None:
        """Everything that waits does so until a Unix time: a clock that is set back must not prolong that."""
        former_s, self._clock_lead_s = self._clock_lead_s, self._clock() - time.monotonic()
        set_back_s = former_s - self._clock_lead_s
        if set_back_s > _SET_BACK_S:
            log.warning("the clock was set back by %.0f s", set_back_s)
            for one in self._sleepers:
                one.set_back(set_back_s)

    def _on_alarm(self) -> None:
        # Whatever fails, there is a next alarm.
        self._set_alarm(_RETRY_S)
        self._follow_clock()
        now = self._clock()
        for one in self._sleepers:
            one.on_wake(now)
        self.run()
