"""Name records as values, and the rules by which two states of a record become one. Pure.

Specification dns, sections 1 to 3. Sets of records are dicts by identity, so no identity ever stands in
one twice: a message that says one twice stops a Go router.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from weave_cli.names import PeerName

#: (container id, origin, address, hostname), compared case-sensitively.
Identity = tuple[str, PeerName, int, str]

#: Go keeps versions in 64 signed bits.
_HIGHEST_VERSION: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One address of one name, as its origin has announced it; its version and tombstone are its state."""

    container_id: str
    """The container; `weave:expose` for a host, `weave:extern` for addresses from outside."""
    origin: PeerName
    """The only peer that may change the entry."""
    address: int
    hostname: str
    """Absolute, with final dot, in the case in which it was registered."""
    version: int = 0
    tombstone: int = 0
    """0 while alive, else the Unix second of its removal."""

    @property
    def identity(self) -> Identity:
        return (self.container_id, self.origin, self.address, self.hostname)

    @property
    def is_alive(self) -> bool:
        return self.tombstone == 0

    def is_overruled_by(self, other: Entry) -> bool:
        """Has `other`, of the same identity, the newer state? With equal versions a removal wins."""
        if other.version != self.version:
            return other.version > self.version
        return other.tombstone > self.tombstone

    def revived(self) -> Entry:
        """Alive again, in a version that wins over the tombstone; itself when it was alive."""
        return self if self.is_alive else replace(self, tombstone=0, version=_after(self.version))

    def buried(self, now: float) -> Entry:
        """As a tombstone of now, in a version that wins over the living state."""
        return replace(self, tombstone=int(now), version=_after(self.version))

    def asserted_over(self, claimed: Entry) -> Entry:
        """Our state in a version that wins over `claimed`, what others believe of the same entry of ours."""
        return replace(self, version=_after(claimed.version))


def _after(version: int) -> int:
    return min(version + 1, _HIGHEST_VERSION)


def merge_entries(*sets: Iterable[Entry]) -> dict[Identity, Entry]:
    """The newest state of every identity in any of the sets."""
    merged: dict[Identity, Entry] = {}
    for entries in sets:
        for entry in entries:
            known = merged.get(entry.identity)
            if known is None or known.is_overruled_by(entry):
                merged[entry.identity] = entry
    return merged


def without_twins(entries: Iterable[Entry]) -> list[Entry]:
    """Of entries that differ only in the case of the host name, one: a living one, else the first in order.

    Go routers put the other where it does not belong, say it twice some day, and end by that (section 1). No
    name is lost: it is looked up without case.
    """
    chosen: dict[Identity, Entry] = {}
    for entry in entries:
        caseless = (entry.container_id, entry.origin, entry.address, fold_name(entry.hostname))
        twin = chosen.get(caseless)
        if twin is None or _preference(entry) < _preference(twin):
            chosen[caseless] = entry
    return list(chosen.values())


def _preference(entry: Entry) -> tuple[bool, str]:
    return (not entry.is_alive, entry.hostname)


def find_news(known: Mapping[Identity, Entry], incoming: Iterable[Entry]) -> list[Entry]:
    """The entries that `known` lacks or has in an older state."""
    return [
        entry
        for entry in incoming
        if (ours := known.get(entry.identity)) is None or ours.is_overruled_by(entry)
    ]


def fold_name(name: str) -> str:
    """A host name as it is compared: without the difference of case."""
    return name.lower()


def is_in_domain(name: str, domain: str) -> bool:
    """Is an absolute name the domain itself or below it? Case does not matter."""
    folded, suffix = fold_name(name), fold_name(domain)
    return folded == suffix or folded.endswith("." + suffix)


def storage_order(entry: Entry) -> tuple[str, PeerName, str, int, str]:
    """How entries are stored and shown; the spelling decides between names that differ in case only."""
    return (fold_name(entry.hostname), entry.origin, entry.container_id, entry.address, entry.hostname)


def wire_order(entry: Entry) -> tuple[str, PeerName, str, int]:
    """How entries stand in a message."""
    return (entry.hostname, entry.origin, entry.container_id, entry.address)
