"""What another peer says of the ring, taken into ours, or the sentence why not. Pure, changes nothing.

Specification ipam, section 2.6, the rules of 2.6 and later. Every peer may only change what it owns, so news
of our own entries is either an echo or a quarrel; quarrels about space that nobody here uses are given in to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from weave_cli.addresses import Range, format_address
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.ipam.ring import Entry, Ring, as_cidr, later_version


@dataclass(frozen=True, slots=True)
class Merged:
    """The new ring, and whether anything of theirs was taken into it."""

    ring: Ring
    updated: bool


def merge_rings(
    ours: Ring,
    theirs: Ring,
    us: PeerName,
    has_allocations: Callable[[Range], bool],
    *,
    gives_in: bool = False,
) -> Merged:
    """Both rings as one; raises RemoteProtocolError with the texts of the specification.

    has_allocations: whether some address of a stretch of ours is in use here. The Go routers ask that of all
    up to our next token, of which they lose perhaps only the beginning. gives_in: take what is newer, and
    let the caller see whether anything is lost that is in use.
    """
    _check_compatible(ours, theirs)
    walk = _Walk(us, ours, has_allocations, gives_in)
    entries, updated = walk.run(theirs.entries)
    ring = Ring(ours.whole, entries, ours.seeds or theirs.seeds)
    for index, entry in enumerate(ring.entries):
        if entry.peer == us and entry.free > (size := ring.size_of(index)):
            ring.entries[index] = replace(entry, free=size)
    try:
        ring.check()
    except RemoteProtocolError as problem:
        raise RemoteProtocolError(f"Merge of incoming data causes: {problem}") from problem
    return Merged(ring, updated)


def _check_compatible(ours: Ring, theirs: Ring) -> None:
    if ours.whole != theirs.whole:
        received_range, our_range = as_cidr(theirs.whole), as_cidr(ours.whole)
        raise RemoteProtocolError(
            f"Incompatible IP allocation ranges (received: {received_range}, ours: {our_range})"
        )
    theirs.check()
    if ours.seeds and theirs.seeds and ours.seeds != theirs.seeds:
        received, own = (
            " ".join(format_peer_name(name) for name in seeds) for seeds in (theirs.seeds, ours.seeds)
        )
        raise RemoteProtocolError(
            f"IP allocation was seeded by different peers (received: [{received}], ours: [{own}])"
        )


class _Walk:
    """Both sorted lists side by side."""

    def __init__(
        self, us: PeerName, ours: Ring, has_allocations: Callable[[Range], bool], gives_in: bool
    ) -> None:
        self._us = us
        self._gives_in = gives_in
        self._ours = ours.entries
        self._end = ours.whole.end
        self._has_allocations = has_allocations
        self._result: list[Entry] = []
        self._updated = False
        # Owner of the last entry taken from our list, unless one of theirs was taken since.
        self._previous: PeerName | None = None

    def run(self, theirs: list[Entry]) -> tuple[list[Entry], bool]:
        own, other = 0, 0
        while own < len(self._ours) or other < len(theirs):
            ours_token = self._ours[own].token if own < len(self._ours) else None
            theirs_token = theirs[other].token if other < len(theirs) else None
            if theirs_token is None or (ours_token is not None and ours_token < theirs_token):
                self._keep(self._ours[own])
                own += 1
            elif ours_token is None or theirs_token < ours_token:
                self._insert(theirs[other], own)
                other += 1
            else:
                self._choose(self._ours[own], theirs[other], own)
                own += 1
                other += 1
        return self._result, self._updated

    def _keep(self, entry: Entry) -> None:
        self._result.append(entry)
        self._previous = entry.peer

    def _take(self, entry: Entry) -> None:
        self._result.append(entry)
        self._previous = None
        self._updated = True

    def _insert(self, theirs: Entry, own: int) -> None:
        """A token that we do not have: it may split a range of ours."""
        if self._previous == self._us and theirs.peer != self._us and not self._gives_in:
            behind_our_last = own >= len(self._ours)
            if behind_our_last or self._has_allocations(Range(theirs.token, self._next_token(own))):
                raise RemoteProtocolError(
                    f"Peer {format_peer_name(theirs.peer)} says it owns the IP range "
                    f"from {format_address(theirs.token)}, which I think I own"
                )
        self._take(theirs)

    def _choose(self, ours: Entry, theirs: Entry, own: int) -> None:
        """A token that both have."""
        stretch = Range(ours.token, self._next_token(own + 1))
        if theirs.version < ours.version or (theirs.version, theirs.peer) == (ours.version, ours.peer):
            self._keep(ours)
        elif theirs.version == ours.version:
            if ours.peer == self._us and self._has_allocations(stretch):
                raise RemoteProtocolError(
                    f"Inconsistent entries for {format_address(ours.token)}: owned by "
                    f"{format_peer_name(ours.peer)} but incoming message says {format_peer_name(theirs.peer)}"
                )
            if theirs.free > ours.free:
                self._take(theirs)
            else:
                self._keep(ours)
        elif ours.peer != self._us:
            self._take(theirs)
        elif theirs.peer == self._us:
            # An echo of our own former life, which knew more changes than we remember.
            self._keep(replace(ours, version=later_version(theirs.version)))
        elif self._gives_in or not self._has_allocations(stretch):
            self._take(theirs)
        else:
            raise RemoteProtocolError(
                f"Received update for IP range I own at {format_address(ours.token)} v{ours.version}: "
                f"incoming message says owner {format_peer_name(theirs.peer)} v{theirs.version}"
            )

    def _next_token(self, own: int) -> int:
        return self._ours[own].token if own < len(self._ours) else self._end
