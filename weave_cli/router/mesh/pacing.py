"""When work that was asked for may be done: at once after a quiet time, else a gap after the last time.

The Go routers collect events for a fixed time before they act (specification mesh, section 16). Acting on
the first event at once makes small meshes converge faster, and the gap still bounds the traffic.
"""

from __future__ import annotations


class Pacer:
    """One kind of work; `gap_s` is the shortest time between two rounds of it, in seconds."""

    def __init__(self, gap_s: float) -> None:
        self.gap_s = gap_s
        self._last = float("-inf")
        self._due: float | None = None

    def ask(self, now: float) -> None:
        """Want a round; asking again before it is due changes nothing."""
        if self._due is None:
            self._due = max(now, self._last + self.gap_s)

    def set_back(self, by_s: float) -> None:
        """The clock was set back."""
        self._last -= by_s
        if self._due is not None:
            self._due -= by_s

    @property
    def due(self) -> float | None:
        """When the round that was asked for may be done; None when none was."""
        return self._due

    def take_early(self, now: float) -> bool:
        """True once for every round that was asked for, due or not; the caller then does it."""
        if self._due is None:
            return False
        self._due = None
        self._last = now
        return True

    def take(self, now: float) -> bool:
        """True once for every round that is due; the caller then does it."""
        return self._due is not None and self._due <= now and self.take_early(now)
