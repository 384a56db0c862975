"""What is ours: ring, free space and books, kept in step with one another and with the journal.

Specification ipam, section 2.2: what the ring says is ours is either free or in the books, always. So every
change goes through here, changes all three, and is noted in the journal before anybody can hear of it. Knows
no message and nothing that waits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from weave_cli.addresses import Cidr, Range, format_address
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import UNKNOWN_PEER, PeerName
from weave_cli.router.ipam.books import Books, Holding, Journal
from weave_cli.router.ipam.merge import merge_rings
from weave_cli.router.ipam.ring import Ring, as_cidr
from weave_cli.router.ipam.space import Space, subtract_ranges

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Saved:
    """What an earlier life of this peer, under the same name, left in the journal."""

    ring: Ring | None = None
    holdings: Mapping[str, Holding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RingNews:
    """What a received ring brought. updated: anything of it was new; gained: addresses that are ours now."""

    updated: bool
    gained: int


NO_NEWS: Final = RingNews(updated=False, gained=0)


class Territory:
    """Our part of the range, and all that we know of the others' parts."""

    def __init__(self, us: PeerName, whole: Range, journal: Journal, saved: Saved) -> None:
        self._us = us
        self.whole = whole
        self._journal = journal
        self.ring = Ring(whole)
        self._space = Space()
        self._load(saved)

    @property
    def is_divided(self) -> bool:
        """Whether there is a ring."""
        return not self.ring.is_empty

    def owner_of(self, address: int) -> PeerName | None:
        return self.ring.owner_of(address)

    def is_free(self, address: int) -> bool:
        """Whether an address is ours and nobody has it."""
        return self._space.is_free(address)

    # Using addresses

    def use_lowest(self, ident: str, subnet: Cidr, *, is_container: bool) -> Cidr | None:
        """Give the lowest free address of ours in a subnet to an owner; None when there is none."""
        address = self._space.lowest_free(subnet.usable)
        if address is None:
            return None
        cidr = Cidr(address, subnet.prefix_len)
        self.use(ident, cidr, is_container=is_container)
        return cidr

    def use(self, ident: str, cidr: Cidr, *, is_container: bool) -> None:
        """Give a free address of ours, or one outside the range that nobody here has, to an owner."""
        if cidr.address in self.whole:
            self._space.take(Range(cidr.address, cidr.address + 1))
            self.ring.count_use(cidr.address, -1)
            self._journal.save_ring(self.ring)
        self.books.add(ident, cidr, is_container)

    def release(self, ident: str, cidr: Cidr) -> None:
        """Take an address back from its owner."""
        self.books.remove(ident, cidr)
        if self.ring.owner_of(cidr.address) == self._us:
            self._space.give_back(Range(cidr.address, cidr.address + 1))
            self.ring.count_use(cidr.address, +1)
            self._journal.save_ring(self.ring)

    # Dividing, giving and taking

    def divide(self, names: Iterable[PeerName]) -> None:
        """Make the first ring."""
        self.ring.seed(names)
        self._space = Space(self.ring.owned_by(self._us))
        self._journal.save_ring(self.ring)
        log.info("the range %s is divided among %d peers", as_cidr(self.whole), len(self.ring.seeds))

    def donate(self, wanted: Range, asker: PeerName) -> Range | None:
        """Make part of our free space in a range the asker's (section 5.3); None when we have none."""
        donation = self._space.choose_donation(wanted)
        if donation is not None:
            self._space.take(donation)
            self.ring.grant(donation, asker)
            self._count_and_save()
        return donation

    def merge(self, theirs: Ring) -> RingNews:
        """Take a received ring into ours; raises RemoteProtocolError, and changes nothing, on a quarrel."""
        merged = merge_rings(self.ring, theirs, self._us, self.has_allocations, gives_in=True)
        if merged.ring == self.ring:
            return NO_NEWS
        before, after = self.ring.owned_by(self._us), merged.ring.owned_by(self._us)
        lost, gained = subtract_ranges(before, after), subtract_ranges(after, before)
        for stretch in lost:
            if self.has_allocations(stretch):
                # Says so in the Go routers' words, unless they would not have seen it.
                merge_rings(self.ring, theirs, self._us, self.has_allocations)
                raise RemoteProtocolError(f"incoming ring takes {stretch} away, where addresses are in use")
        self.ring = merged.ring
        for stretch in lost:
            log.warning("another peer owns %s now, of which nothing was in use here", stretch)
            self._space.take(stretch)
        for stretch in gained:
            self._gain(stretch)
        self._count_and_save()
        return RingNews(merged.updated, sum(stretch.size for stretch in gained))

    def annex(self, peer: PeerName) -> int:
        """Make all that a dead peer owns ours (section 8.2); the number of addresses gained."""
        gained = self.ring.transfer(peer, self._us)
        for stretch in gained:
            self._gain(stretch)
        if gained:
            self._count_and_save()
        return sum(stretch.size for stretch in gained)

    def hand_over(self, heir: PeerName | None) -> None:
        """Make all that is ours the heir's (section 8.1); without one nobody's, which is not remembered."""
        self.ring.transfer(self._us, UNKNOWN_PEER if heir is None else heir)
        self._space = Space()
        if heir is not None:
            self._journal.save_ring(self.ring)

    def has_allocations(self, part: Range) -> bool:
        """Whether some address of a stretch of ours is in use."""
        return self._space.count_free(part) < part.size

    # Inside

    def _load(self, saved: Saved) -> None:
        """Go on where an earlier life ended, if it divided the same range; else start with nothing."""
        is_other = saved.ring is not None and saved.ring.whole != self.whole
        if is_other and saved.ring is not None:
            log.warning("the stored division is of %s: starting without it", as_cidr(saved.ring.whole))
            self._journal.save_ring(self.ring)
        elif saved.ring is not None:
            self.ring = saved.ring
        kept: dict[str, Holding] = {}
        for ident, holding in saved.holdings.items():
            cidrs = [] if is_other else [one for one in holding.cidrs if self._may_be_used(one.address)]
            if cidrs:
                kept[ident] = Holding(holding.is_container, cidrs)
            self._forget(ident, [one for one in holding.cidrs if one not in cidrs])
        self.books = Books(self._journal, kept)
        for stretch in self.ring.owned_by(self._us):
            self._gain(stretch)
        if self.ring.report_free(self._us, self._space.count_free):
            self._journal.save_ring(self.ring)

    def _may_be_used(self, address: int) -> bool:
        return address not in self.whole or self.ring.owner_of(address) == self._us

    def _forget(self, ident: str, cidrs: Iterable[Cidr]) -> None:
        for cidr in cidrs:
            log.warning("%s of %s is not ours any more", format_address(cidr.address), ident)
            self._journal.remove_owned(cidr)

    def _gain(self, stretch: Range) -> None:
        """Make a stretch ours, but for addresses of it that are in use here already."""
        used = sorted(address for address in self.books.addresses() if address in stretch)
        for free in subtract_ranges([stretch], [Range(address, address + 1) for address in used]):
            self._space.give_back(free)

    def _count_and_save(self) -> None:
        self.ring.report_free(self._us, self._space.count_free)
        self._journal.save_ring(self.ring)
