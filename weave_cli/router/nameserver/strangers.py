"""Names that came a moment before the news that there is their peer, or whose peer left. Pure.

Names and topology travel apart, and often by the same way at the same time. Go routers drop names of peers
that they do not know (specification dns, section 3, step 3), and wait half a minute for the next periodic
gossip; here they are kept for some seconds, if there are not too many.

A peer may also leave the topology for a moment only, where the news that it lost one neighbour are faster
than those that it found another. Nobody tells its names again then, as nobody else lost sight of it; so they
are kept until the periodic gossip would bring them. If they are those of an earlier life, the peer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.nameserver.entries import Entry, Identity

#: How long names of peers that nobody has heard of yet are kept, and those of peers that left.
KEPT_S: Final = 10.0
KEPT_AFTER_LEAVING_S: Final = 30.0
_LOOK_AGAIN_S: Final = 0.5
_MOST: Final = 1 << 14


class Strangers:
    """Entries whose origin is not known yet; `look_at` is when `take` should be asked again, None: never."""

    def __init__(self) -> None:
        self.look_at: float | None = None
        self._entries: dict[Identity, Entry] = {}
        self._until = 0.0

    def keep(self, entries: Iterable[Entry], now: float, *, for_s: float = KEPT_S) -> None:
        """Hold them for so long at least, each in its newest state."""
        for entry in entries:
            known = self._entries.get(entry.identity)
            if known is None and len(self._entries) >= _MOST:
                return
            if known is None or known.is_overruled_by(entry):
                self._entries[entry.identity] = entry
            self._until = max(self._until, now + for_s)
            if self.look_at is None:
                self.look_at = now + _LOOK_AGAIN_S

    def take(self, is_known: Callable[[PeerName], bool], now: float) -> list[Entry]:
        """Those whose origin has become known; the others stay, or go when their time is over."""
        met = [entry for entry in self._entries.values() if is_known(entry.origin)]
        for entry in met:
            del self._entries[entry.identity]
        if now >= self._until:
            self._entries.clear()
        self.look_at = now + _LOOK_AGAIN_S if self._entries else None
        return met

    def set_back(self, by_s: float) -> None:
        """The clock was set back."""
        self._until -= by_s
        if self.look_at is not None:
            self.look_at -= by_s
