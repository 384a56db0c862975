"""Our own part of the range, address by address: what is free of it. Knows no owner but us, no message.

Free addresses are kept as stretches, since a part may hold a million of them. Specification ipam, sections
5.1 (lowest free address) and 5.3 (what a donor gives away).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from weave_cli.addresses import Range
from weave_cli.router.ipam.ring import join_ranges


class Space:
    """The free stretches of what we own, ascending and never touching."""

    def __init__(self, free: Iterable[Range] = ()) -> None:
        self._free = join_ranges(sorted(free))

    def count_free(self, part: Range) -> int:
        """How many addresses of a range are free."""
        return sum(cut.size for cut in self.free_in(part))

    def free_in(self, part: Range) -> Iterator[Range]:
        """The free stretches cut down to a range, ascending."""
        at = max(0, self._at(part.start))
        while at < len(self._free) and self._free[at].start < part.end:
            start, end = max(self._free[at].start, part.start), min(self._free[at].end, part.end)
            if start < end:
                yield Range(start, end)
            at += 1

    def is_free(self, address: int) -> bool:
        at = self._at(address)
        return at >= 0 and address in self._free[at]

    def lowest_free(self, part: Range) -> int | None:
        """The lowest free address of a range."""
        return next((stretch.start for stretch in self.free_in(part)), None)

    def take(self, part: Range) -> None:
        """Make a stretch that is all free no longer so."""
        at = self._at(part.start)
        whole = self._free[at]
        if not (whole.start <= part.start and part.end <= whole.end):
            raise ValueError(f"{part} is not all free")
        rest = [Range(whole.start, part.start), Range(part.end, whole.end)]
        self._free[at : at + 1] = [one for one in rest if one.size]

    def give_back(self, part: Range) -> None:
        """Make a stretch that is in use free again."""
        at = self._at(part.start) + 1
        if self.count_free(part):
            raise ValueError(f"{part} is free already")
        before = self._free[at - 1] if at and self._free[at - 1].end == part.start else None
        after = self._free[at] if at < len(self._free) and self._free[at].start == part.end else None
        joined = Range(before.start if before else part.start, after.end if after else part.end)
        self._free[at - bool(before) : at + bool(after)] = [joined]

    def choose_donation(self, wanted: Range) -> Range | None:
        """What to give of a range: its biggest aligned free block, or half of it when it is most of it."""
        free = list(self.free_in(wanted))
        if not free:
            return None
        biggest = biggest_block(free[0])
        for stretch in free[1:]:
            block = biggest_block(stretch)
            if block.size >= biggest.size:
                biggest = block
        if biggest.size > sum(stretch.size for stretch in free) // 2:
            return Range(biggest.start + biggest.size // 2, biggest.end)
        return biggest

    def _at(self, address: int) -> int:
        """Index of the last stretch that starts at or before an address; -1 for none."""
        return bisect_right(self._free, address, key=lambda one: one.start) - 1


def biggest_block(stretch: Range) -> Range:
    """The biggest block of a stretch that is a CIDR (section 5.3)."""
    size = 1 << (stretch.size.bit_length() - 1)
    while True:
        start = -(-stretch.start // size) * size
        if start + size <= stretch.end:
            return Range(start, start + size)
        size //= 2


def subtract_ranges(whole: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """What is in the first and not in the second; both ascending."""
    left = list(whole)
    for cut in taken:
        left = [
            piece
            for one in left
            for piece in (Range(one.start, min(one.end, cut.start)), Range(max(one.start, cut.end), one.end))
            if piece.start < piece.end
        ]
    return left
