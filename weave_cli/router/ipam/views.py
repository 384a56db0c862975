"""The allocator as status shows it: values, and how they are made. Only reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from weave_cli.addresses import Cidr, Range
from weave_cli.names import PeerName
from weave_cli.router.ipam.election import Election
from weave_cli.router.ipam.nicknames import Nicknames
from weave_cli.router.ipam.operations import Operations
from weave_cli.router.ipam.requests import PendingAllocation, PendingClaim
from weave_cli.router.ipam.ring import Ring
from weave_cli.router.ipam.territory import Territory
from weave_cli.router.mesh.gossip import PeerDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class RingEntryView:
    """A stretch and its owner, for status."""

    token: int
    size: int
    peer: PeerName
    nickname: str
    is_known: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorView:
    """What status shows.

    active: addresses of the range that are in use here. quorum and known_nodes: of the election that is
    awaited, 0 without one.
    """

    whole: Range
    default_subnet: Cidr
    active: int
    entries: tuple[RingEntryView, ...]
    is_electing: bool
    is_elector: bool
    quorum: int
    known_nodes: int
    pending_claims: tuple[PendingClaim, ...]
    pending_allocations: tuple[PendingAllocation, ...]


def make_view(
    default_subnet: Cidr,
    territory: Territory,
    operations: Operations,
    election: Election,
    nicknames: Nicknames,
    directory: PeerDirectory,
) -> AllocatorView:
    """All of it as of now."""
    return AllocatorView(
        whole=territory.whole,
        default_subnet=default_subnet,
        active=sum(address in territory.whole for address in territory.books.addresses()),
        entries=tuple(_entries(territory.ring, nicknames, directory)),
        is_electing=election.is_running,
        is_elector=election.is_elector,
        quorum=election.quorum,
        known_nodes=election.known_nodes,
        pending_claims=tuple(operations.claims),
        pending_allocations=tuple(operations.allocations),
    )


def _entries(ring: Ring, nicknames: Nicknames, directory: PeerDirectory) -> Iterator[RingEntryView]:
    for index, entry in enumerate(ring.entries):
        for stretch in sorted(ring.stretches_of(index)):
            yield RingEntryView(
                token=stretch.start,
                size=stretch.size,
                peer=entry.peer,
                nickname=nicknames.of(entry.peer),
                is_known=directory.is_known(entry.peer),
                version=entry.version,
            )
