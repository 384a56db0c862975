"""Who owns which stretch of the range: tokens on a ring. Knows no single address in use, no message.

Specification ipam, sections 2.1 to 2.5. An entry owns from its token up to the next one; the last one wraps.
Changes are made only by the owner of what is changed, who raises the version; `merge` brings news of others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from weave_cli.addresses import Cidr, Range, format_address
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName

#: How far a version jumps when somebody else takes an entry, so that the change wins over all older news.
TAKEOVER_VERSION_JUMP: Final = 100
#: The journal says that versions of our own entries are up to this much higher than they are, which spares
#: writes. It must stay far below the jump above: after a takeover the former owner must not win.
VERSIONS_AHEAD: Final = 20
#: How far a version jumps with a grant: higher than all that our journal has ever said, so that an old copy
#: of the journal, put back in its place, wins over nobody who got the space since.
GRANT_VERSION_JUMP: Final = VERSIONS_AHEAD + 1
_HIGHEST_VERSION: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One token. free: how many addresses its owner last said are free, never more than it owns."""

    token: int
    peer: PeerName
    version: int = 0
    free: int = 0


class Ring:
    """The division of `whole` among peers; empty until the first division is agreed on."""

    def __init__(self, whole: Range, entries: Iterable[Entry] = (), seeds: Iterable[PeerName] = ()) -> None:
        self.whole = whole
        self.entries: list[Entry] = list(entries)
        self.seeds: tuple[PeerName, ...] = tuple(seeds)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ring):
            return NotImplemented
        return (self.whole, self.entries, self.seeds) == (other.whole, other.entries, other.seeds)

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_empty(self) -> bool:
        return not self.entries

    # Looking

    def size_of(self, index: int) -> int:
        """Number of addresses that an entry owns."""
        if len(self.entries) == 1:
            return self.whole.size
        after = self.entries[(index + 1) % len(self.entries)].token
        return (after - self.entries[index].token) % self.whole.size

    def stretches_of(self, index: int) -> list[Range]:
        """What an entry owns: one stretch, or two when it wraps."""
        start = self.entries[index].token
        end = start + self.size_of(index)
        if end <= self.whole.end:
            return [Range(start, end)]
        wrapped = Range(self.whole.start, self.whole.start + end - self.whole.end)
        return [Range(start, self.whole.end), wrapped]

    def owned_by(self, peer: PeerName) -> list[Range]:
        """All stretches of a peer, ascending, neighbours joined."""
        parts = sorted(
            stretch
            for index, entry in enumerate(self.entries)
            if entry.peer == peer
            for stretch in self.stretches_of(index)
        )
        return join_ranges(parts)

    def owner_of(self, address: int) -> PeerName | None:
        """None for an empty ring and for addresses outside the range."""
        if not self.entries or address not in self.whole:
            return None
        return self.entries[self._index_at(address)].peer

    def owners(self) -> list[PeerName]:
        """Each owner once, in the order of the ring."""
        return list(dict.fromkeys(entry.peer for entry in self.entries))

    def donors_for(self, wanted: Range, us: PeerName) -> dict[PeerName, int]:
        """Other owners with free addresses that reach into a range, and how many (section 5.1)."""
        donors: dict[PeerName, int] = {}
        for index, entry in enumerate(self.entries):
            if entry.peer != us and entry.free and self.stretches_of(index)[0].overlaps(wanted):
                donors[entry.peer] = donors.get(entry.peer, 0) + entry.free
        return donors

    # Changing

    def seed(self, names: Iterable[PeerName]) -> None:
        """Divide the range for the first time, by halves (section 2.3); every peer computes the same."""
        self.seeds = tuple(sorted(set(names)))
        self.entries = list(_divide(self.whole, self.seeds))

    def grant(self, granted: Range, to: PeerName, *, jump: int = GRANT_VERSION_JUMP) -> None:
        """Give a stretch that is all ours to somebody else (section 2.4; the Go routers jump by 1)."""
        start, end = granted.start, granted.end
        at = self._index_at(start)
        owner, next_token = self.entries[at].peer, self._next_token(at)
        size = min(granted.size, (next_token - start) % self.whole.size or self.whole.size)
        if self.entries[at].token == start:
            self._change(at, peer=to, free=size, jump=jump)
        else:
            self._change(at, free=(start - self.entries[at].token) % self.whole.size, jump=jump)
            at = self._insert(Entry(token=start, peer=to, free=size))
        at += 1
        while at < len(self.entries) and self.entries[at].token < end:
            left = (end - self.entries[at].token) % self.whole.size or self.whole.size
            self._change(at, peer=to, free=min(self.entries[at].free, left), jump=jump)
            at += 1
        self._close(end, owner)

    def _close(self, end: int, owner: PeerName) -> None:
        """What lies behind a grant stays with its old owner, by an entry of its own if there is none."""
        end = self.whole.start if end == self.whole.end else end
        if self.entries[self._index_at(end)].token != end:
            at = self._insert(Entry(token=end, peer=owner))
            self.entries[at] = replace(self.entries[at], free=self.size_of(at))

    def _insert(self, entry: Entry) -> int:
        """Put a new token at its place; the index of it."""
        at = bisect_right(self.entries, entry.token, key=lambda one: one.token)
        self.entries.insert(at, entry)
        return at

    def transfer(self, giver: PeerName, heir: PeerName) -> list[Range]:
        """Make all of a peer's entries somebody else's, for good (sections 8.1 and 8.2); the stretches."""
        moved = [index for index, entry in enumerate(self.entries) if entry.peer == giver]
        stretches = sorted(stretch for index in moved for stretch in self.stretches_of(index))
        for index in moved:
            entry = self.entries[index]
            version = later_version(entry.version, TAKEOVER_VERSION_JUMP)
            self.entries[index] = replace(entry, peer=heir, version=version)
        return stretches

    def report_free(self, us: PeerName, count_free: Callable[[Range], int]) -> bool:
        """Write down how much is free in our own entries (section 2.5); True when something changed."""
        changed = False
        for index, entry in enumerate(self.entries):
            if entry.peer == us:
                free = sum(count_free(stretch) for stretch in self.stretches_of(index))
                if free != entry.free:
                    self._change(index, free=free)
                    changed = True
        return changed

    def count_use(self, address: int, change: int) -> None:
        """One address of ours is free now (+1) or no longer (-1): what report_free does, for that alone."""
        index = self._index_at(address)
        self._change(index, free=self.entries[index].free + change)

    # Checking

    def check(self) -> None:
        """Raise RemoteProtocolError for a ring that cannot be (section 2.6)."""
        for before, after in zip(self.entries, self.entries[1:], strict=False):
            if before.token == after.token:
                raise RemoteProtocolError("Token appears twice in ring")
            if before.token > after.token:
                raise RemoteProtocolError("Ring not sorted")
        if any(entry.token not in self.whole for entry in self.entries):
            raise RemoteProtocolError("Token is out of range")
        for index, entry in enumerate(self.entries):
            if entry.free > (size := self.size_of(index)):
                stretch = f"{format_address(entry.token)}-{format_address(self._next_token(index))}"
                raise RemoteProtocolError(
                    f"Entry {stretch} reporting too much free space: {entry.free} > {size}"
                )

    def _index_at(self, address: int) -> int:
        """The entry that owns an address; the last one also owns what lies before the first token."""
        return (bisect_right(self.entries, address, key=lambda entry: entry.token) - 1) % len(self.entries)

    def _next_token(self, index: int) -> int:
        return self.entries[(index + 1) % len(self.entries)].token

    def _change(self, index: int, *, free: int, peer: PeerName | None = None, jump: int = 1) -> None:
        entry = self.entries[index]
        owner = entry.peer if peer is None else peer
        version = later_version(entry.version, jump)
        self.entries[index] = replace(entry, peer=owner, free=free, version=version)


def later_version(version: int, jump: int = 1) -> int:
    """The version after a change; it stops at what fits into the field on the wire."""
    return min(version + jump, _HIGHEST_VERSION)


def join_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Ascending ranges with touching ones made one."""
    joined: list[Range] = []
    for one in ranges:
        if joined and joined[-1].end >= one.start:
            joined[-1] = Range(joined[-1].start, max(joined[-1].end, one.end))
        else:
            joined.append(one)
    return joined


def as_cidr(whole: Range) -> str:
    """A range for people: as a CIDR when it is one."""
    prefix_len = 32 - (whole.size.bit_length() - 1)
    cidr = Cidr(whole.start, prefix_len)
    return str(cidr) if cidr.network == whole else str(whole)


def _divide(part: Range, names: Sequence[PeerName]) -> Iterable[Entry]:
    if part.size <= 1 or len(names) == 1:
        yield Entry(token=part.start, peer=names[0], free=part.size)
        return
    middle = part.start + part.size // 2
    half = len(names) // 2
    yield from _divide(Range(part.start, middle), names[:half])
    yield from _divide(Range(middle + part.size % 2, part.end), names[half:])
