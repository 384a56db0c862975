"""Lines about what strangers do: some of each kind, then only their number. Nobody shall fill the log.

Runs in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from typing import Final

INTERVAL_S: Final = 30.0
_LINES: Final = 3
#: What is told apart at once; all others are of one kind.
_MOST_KINDS: Final = 64


_VALUE: Final = re.compile(r"[^A-Za-z -]")


def kind_of(who: str, text: str) -> str:
    """What is one kind: the same reason, whatever its values, from the same stranger."""
    return f"{who} {_VALUE.split(text, maxsplit=1)[0]}"


@dataclass(slots=True)
class _Kind:
    told: int = 0
    silent: int = 0
    last: str = ""


class SeldomLog:
    """Three lines of a kind in half a minute, and one more for all others of that time."""

    def __init__(self, log: logging.Logger, level: int, *, interval_s: float = INTERVAL_S) -> None:
        self._log = log
        self._level = level
        self._interval_s = interval_s
        self._kinds: dict[str, _Kind] = {}

    def tell(self, kind: str, text: str) -> None:
        """Kind: who did it, for one; it may be anything, and as often as a stranger likes."""
        if kind not in self._kinds:
            kind = kind if len(self._kinds) < _MOST_KINDS else ""
        found = self._kinds.get(kind)
        if found is None:
            found = self._kinds[kind] = _Kind()
            asyncio.get_running_loop().call_later(self._interval_s, self._close, kind)
        if found.told < _LINES:
            found.told += 1
            self._log.log(self._level, "%s", text)
        else:
            found.silent += 1
            found.last = text

    def _close(self, kind: str) -> None:
        found = self._kinds.pop(kind)
        if found.silent:
            self._log.log(
                self._level,
                "%s (and %d more of this kind in %.0f s)",
                found.last,
                found.silent - 1,
                self._interval_s,
            )
