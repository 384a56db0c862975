"""What a router keeps over restarts, as its database would: kept, copied, put back, or lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from weave_cli.addresses import Cidr
from weave_cli.names import PeerName
from weave_cli.router.ipam.books import Holding
from weave_cli.router.ipam.ring import Ring
from weave_cli.router.ipam.territory import Saved
from weave_cli.router.runtime.store_ring import RingOnDisk


@dataclass(frozen=True, slots=True)
class DiskCopy:
    """What is on the disk at one moment. owned: owner, address and whether it is a container, by address."""

    ring: RingOnDisk = field(default_factory=RingOnDisk)
    owned: Mapping[int, tuple[str, Cidr, bool]] = field(default_factory=dict)


class RouterDisk:
    """Plays the Journal, with the real rules of what of a ring is written (`store_ring`)."""

    def __init__(self, us: PeerName) -> None:
        self._us = us
        self._written = DiskCopy()
        self._ring: Ring | None = None
        self._owned: dict[int, tuple[str, Cidr, bool]] = {}
        self._has_notes = False

    def save_ring(self, ring: Ring) -> None:
        self._ring = ring
        self._has_notes = True

    def add_owned(self, ident: str, cidr: Cidr, is_container: bool) -> None:
        self._owned[cidr.address] = (ident, cidr, is_container)
        self._has_notes = True

    def remove_owned(self, cidr: Cidr) -> None:
        self._owned.pop(cidr.address, None)
        self._has_notes = True

    def commit(self) -> None:
        """Write what was noted."""
        if self._has_notes:
            ring = (
                self._written.ring if self._ring is None else self._written.ring.after(self._ring, self._us)
            )
            self._written = DiskCopy(ring, dict(self._owned))
            self._ring, self._has_notes = None, False

    def copy(self) -> DiskCopy:
        """What is written just now."""
        return self._written

    def load(self, copy: DiskCopy) -> Saved:
        """A new life begins with this on the disk; what was only noted is lost."""
        self._written, self._ring, self._has_notes = copy, None, False
        self._owned = dict(copy.owned)
        holdings: dict[str, Holding] = {}
        for ident, cidr, is_container in copy.owned.values():
            holdings.setdefault(ident, Holding(is_container)).cidrs.append(cidr)
        if copy.ring.whole is None:
            return Saved(None, holdings)
        entries = sorted(copy.ring.entries.values(), key=lambda entry: entry.token)
        return Saved(Ring(copy.ring.whole, entries, copy.ring.seeds), holdings)
