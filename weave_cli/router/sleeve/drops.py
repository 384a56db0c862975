"""Counts what is dropped, by reason, and says so seldom: nobody shall fill the log by sending garbage."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Final

log = logging.getLogger(__name__)

SUMMARY_INTERVAL_S: Final = 30.0


class DropCounter:
    """The first drop for a reason is told at once with its detail, later ones as a number."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._quiet_until: dict[str, float] = {}

    def count(self, reason: str, now: float, detail: str = "") -> None:
        """Something was dropped; `reason` is one of few texts, `detail` is free."""
        if now >= self._quiet_until.get(reason, now):
            log.info("dropped %s%s", reason, f": {detail}" if detail else "")
            self._quiet_until[reason] = now + SUMMARY_INTERVAL_S
        else:
            self._counts[reason] += 1

    def summarise(self, now: float) -> None:
        """Say how many more there were, for reasons that have been quiet long enough."""
        for reason, until in list(self._quiet_until.items()):
            if now >= until:
                del self._quiet_until[reason]
                if more := self._counts.pop(reason, 0):
                    log.info("dropped %d more in %.0f s: %s", more, SUMMARY_INTERVAL_S, reason)

    @property
    def is_quiet(self) -> bool:
        """Whether summarise has nothing to wait for."""
        return not self._quiet_until
