"""How large a packet the path to a neighbour carries unfragmented (specification overlay, 3.3), sans-I/O.

What the kernel says about the path begins a search: it knows the own link and what routers told it, but some
drop large packets silently. So test frames are sent, first one as large as the kernel allows; each is
repeated, with doubled patience, before the size counts as too large, and the good sizes are searched by
halves. Go routers begin to repeat after 10 ms; a busy neighbour, whose answer comes by TCP and is worth as
much a moment later, then got the same test five times.
"""

from __future__ import annotations

from typing import Final

#: The MTU that every path is taken to carry.
SURE_MTU: Final = 552
#: No IPv4 path carries less.
LEAST_PATH_MTU: Final = 68

FIRST_PATIENCE_S: Final = 0.1
ATTEMPTS: Final = 5


class PathMtuSearch:
    """`mtu` is what containers may send over this path at the moment, in octets of IP packet.

    `test_mtu` is the size that is to be tested now, None when nothing is to be sent.
    """

    def __init__(self, *, overhead: int, mtu: int) -> None:
        self._overhead = overhead
        self._assumed = mtu
        self.mtu = mtu
        self._candidate: int | None = None
        self._highest_good = SURE_MTU
        self._lowest_bad = mtu + 1
        self._attempts = 0
        self._give_up_at: float | None = None
        self.test_mtu: int | None = None

    @property
    def next_wake(self) -> float | None:
        """When on_wake wants to be called."""
        return self._give_up_at

    @property
    def is_searching(self) -> bool:
        """Whether `mtu` is an assumption as yet."""
        return self._candidate is not None

    def on_path_mtu(self, path_mtu: int, now: float) -> None:
        """The kernel refused a packet: the path carries IP packets of so many octets."""
        mtu = max(path_mtu - self._overhead, LEAST_PATH_MTU)
        if self._candidate is not None and mtu >= self._candidate:
            return
        self._highest_good, self._lowest_bad = SURE_MTU, mtu + 1
        self.mtu = mtu
        self._try(mtu, now)

    def verify(self, now: float) -> None:
        """Packets of this size seem to get lost: test it again, unless a search goes on or is to come."""
        if not self.is_searching and self.mtu < self._assumed:
            self._highest_good, self._lowest_bad = min(SURE_MTU, self.mtu), self.mtu + 1
            self._try(self.mtu, now)

    def on_verified(self, mtu: int, now: float) -> None:
        """A test frame arrived; one that we are not waiting for (any more) says nothing."""
        if mtu == self._candidate:
            self._highest_good = mtu
            self._narrow_down(now)

    def on_wake(self, now: float) -> None:
        """The test frame is overdue: repeat it, or believe that it is too large."""
        if self._candidate is None or self._give_up_at is None or now < self._give_up_at:
            return
        if self._attempts < ATTEMPTS:
            self._test(self._candidate, now)
        else:
            self._lowest_bad = self._candidate
            self._narrow_down(now)

    def _narrow_down(self, now: float) -> None:
        if self._highest_good + 1 >= self._lowest_bad:
            self.mtu = self._highest_good
            self._candidate = self._give_up_at = self.test_mtu = None
        else:
            self._try((self._highest_good + self._lowest_bad) // 2, now)

    def _try(self, candidate: int, now: float) -> None:
        self._candidate = candidate
        self._attempts = 0
        self._test(candidate, now)

    def _test(self, candidate: int, now: float) -> None:
        self._give_up_at = now + FIRST_PATIENCE_S * 2**self._attempts
        self._attempts += 1
        self.test_mtu = candidate
