"""What of the ring is on the disk, and what must be written so that it is all there. Pure: statements only.

Every address that is given out raises the version of its ring entry. Storing versions of our own entries some
way ahead spares nearly all of these writes; after a restart ours is never lower than one that others saw, and
how much is free is counted anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from weave_cli.addresses import Range
from weave_cli.names import PeerName
from weave_cli.router.ipam.ring import VERSIONS_AHEAD, Entry, Ring, later_version

Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class RingOnDisk:
    """entries: as they are stored, by token; with versions written ahead for our own."""

    whole: Range | None = None
    seeds: tuple[PeerName, ...] = ()
    entries: Mapping[int, Entry] = field(default_factory=dict)

    def after(self, ring: Ring, us: PeerName | None) -> RingOnDisk:
        """What is on the disk when the ring has been written; entries that it covers stay as they are."""
        entries = {}
        for entry in ring.entries:
            stored = self.entries.get(entry.token)
            entries[entry.token] = stored if stored and _covers(stored, entry, us) else _to_store(entry, us)
        return RingOnDisk(ring.whole, ring.seeds, entries)

    def statements_since(self, before: RingOnDisk) -> Iterator[Statement]:
        """What makes the disk, as it was before, like this."""
        if self.whole is not None and self.whole != before.whole:
            for key, value in (("ring_start", self.whole.start), ("ring_end", self.whole.end)):
                yield "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(value))
        if self.seeds != before.seeds:
            yield "DELETE FROM seed", ()
            for seed in self.seeds:
                yield "INSERT INTO seed VALUES (?)", (seed,)
        for token in before.entries.keys() - self.entries.keys():
            yield "DELETE FROM ring_entry WHERE token = ?", (token,)
        for token, entry in self.entries.items():
            if before.entries.get(token) != entry:
                values = (entry.token, entry.peer, entry.version, entry.free)
                yield "INSERT OR REPLACE INTO ring_entry VALUES (?, ?, ?, ?)", values


def _covers(stored: Entry, entry: Entry, us: PeerName | None) -> bool:
    """Whether what is stored is as good as the entry: the same, or ours and not yet overtaken."""
    return stored == entry or (stored.peer == entry.peer == us and entry.version <= stored.version)


def _to_store(entry: Entry, us: PeerName | None) -> Entry:
    if entry.peer != us:
        return entry
    return replace(entry, version=later_version(entry.version, VERSIONS_AHEAD))
