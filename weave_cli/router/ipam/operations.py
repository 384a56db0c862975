"""Allocations, claims and waits for a ring: what can be done at once, and the queues of what cannot.

Specification ipam, section 5. Everything waits for one of three things: a ring, space from another peer, or
an address given back here. Knows the messages that ask for space, not the gossip around them.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from typing import Final, Protocol

from weave_cli.addresses import Cidr, Range, format_address
from weave_cli.names import ANONYMOUS_OWNER, PeerName, format_peer_name
from weave_cli.router.ipam.books import owner_name
from weave_cli.router.ipam.requests import (
    Answered,
    Cancelled,
    Outcome,
    PendingAllocation,
    PendingClaim,
    Refused,
)
from weave_cli.router.ipam.ring import as_cidr
from weave_cli.router.ipam.territory import Territory

log = logging.getLogger(__name__)

#: A claim at an owner that cannot be reached fails after this many tries (section 5.2, 3).
MAX_CLAIM_ATTEMPTS: Final = 6


class Speaker(Protocol):
    """What operations need of the allocator around them."""

    def begin_election(self, now: float) -> None:
        """See to it that there will be a ring; nothing when that is under way."""
        ...

    def ask_for_space(self, owner: PeerName, wanted: Range) -> bool:
        """Send a space request; False when the owner cannot be reached."""
        ...

    def label(self, peer: PeerName | None) -> str:
        """A peer for sentences."""
        ...


class Operations:
    """All requests that have not ended, and the events of those that have."""

    def __init__(self, us: PeerName, territory: Territory, speaker: Speaker, rng: random.Random) -> None:
        self._us = us
        self._territory = territory
        self._speaker = speaker
        self._rng = rng
        self._events: deque[Outcome] = deque()
        self._primes: list[int] = []
        self.claims: list[PendingClaim] = []
        self.allocations: list[PendingAllocation] = []
        #: Per subnet, whom we have asked for space since the last tick; the last one has not answered yet.
        self._asked: dict[Cidr, list[PeerName]] = {}
        self._awaited: set[Cidr] = set()

    @property
    def is_waiting(self) -> bool:
        return bool(self._primes or self.claims or self.allocations)

    def next_event(self) -> Outcome | None:
        return self._events.popleft() if self._events else None

    # What callers want

    def allocate(self, pending: PendingAllocation, now: float) -> None:
        whole = self._territory.whole
        if not pending.subnet.network.overlaps(whole):
            reason = f"range {pending.subnet} out of bounds: {as_cidr(whole)}"
            self._events.append(Refused(pending.request, reason))
        elif not self._try_allocation(pending, now):
            self.allocations.append(pending)

    def claim(self, pending: PendingClaim, now: float) -> None:
        if not self._try_claim(pending, now):
            self.claims.append(pending)

    def wait_for_ring(self, request: int, now: float) -> None:
        self._primes.append(request)
        if not self._territory.is_divided:
            self._speaker.begin_election(now)
        self._answer_primes()

    def cancel(self, request: int) -> None:
        """Forget a request whose caller has gone."""
        self._primes = [one for one in self._primes if one != request]
        self.claims = [one for one in self.claims if one.request != request]
        self.allocations = [one for one in self.allocations if one.request != request]

    def refuse_for_good(self, request: int) -> None:
        """We have left the mesh."""
        self._events.append(Cancelled(request))

    def cancel_all(self) -> None:
        """End all that waits."""
        claims = (one.request for one in self.claims)
        allocations = (one.request for one in self.allocations)
        for request in (*self._primes, *claims, *allocations):
            if request is not None:
                self.refuse_for_good(request)
        self._primes, self.claims, self.allocations = [], [], []

    # What happens meanwhile

    def tick(self, now: float) -> None:
        """Every few seconds: ask again whoever has not answered, and those who had nothing."""
        self._forget_questions()
        for claim in self.claims:
            claim.asked = None
        self.retry(now)

    def on_gained(self, now: float) -> None:
        """Space of others has become ours."""
        self._forget_questions()
        self.retry(now)

    def on_denied(self, part: Range, source: PeerName) -> None:
        """A peer has nothing free in a range that we asked for."""
        for claim in self.claims:
            if Range(claim.cidr.address, claim.cidr.address + 1) == part:
                claim.denied_by = source
        for subnet in {one.subnet for one in self.allocations if one.subnet.network == part}:
            self._awaited.discard(subnet)
            self._ask_for_space(subnet)

    def on_told(self, source: PeerName) -> None:
        """A peer has said how it sees the ring, as it does behind every denial: those are final now.

        Without a journal we may have asked for what is ours.
        """
        denied = [one for one in self.claims if one.denied_by == source]
        self.claims = [one for one in self.claims if one not in denied]
        for claim in denied:
            self._refuse(claim, self._owned_elsewhere(claim.cidr, source))

    def retry(self, now: float) -> None:
        """Try all that waits once, in the order of section 5: something has changed."""
        self._answer_primes()
        claims, self.claims = self.claims, []
        self.claims[:0] = [one for one in claims if not self._try_claim(one, now)]
        allocations, self.allocations = self.allocations, []
        self.allocations[:0] = [one for one in allocations if not self._try_allocation(one, now)]

    def _forget_questions(self) -> None:
        self._asked.clear()
        self._awaited.clear()

    def _answer_primes(self) -> None:
        if self._territory.is_divided:
            self._events.extend(Answered(request, None) for request in self._primes)
            self._primes = []

    # Allocations (section 5.1)

    def _try_allocation(self, pending: PendingAllocation, now: float) -> bool:
        """True when it needs to be tried no more."""
        found = self._territory.books.find(pending.ident, pending.subnet.network)
        if found:
            self._events.append(Answered(pending.request, found[0]))
            return True
        if not self._has_ring(now):
            return False
        cidr = self._territory.use_lowest(pending.ident, pending.subnet, is_container=pending.is_container)
        if cidr is None:
            self._ask_for_space(pending.subnet)
            return False
        self._events.append(Answered(pending.request, cidr))
        return True

    def _has_ring(self, now: float) -> bool:
        if not self._territory.is_divided:
            self._speaker.begin_election(now)
        return self._territory.is_divided

    def _ask_for_space(self, subnet: Cidr) -> None:
        """Ask one of the peers that have some, the likelier the more it has (section 5.1, 5).

        One question at a time for each subnet: an answer brings half of what the donor has, enough for many.
        """
        if subnet in self._awaited:
            return
        asked = self._asked.setdefault(subnet, [])
        donors = self._territory.ring.donors_for(subnet.network, self._us)
        weights = {peer: free * self._rng.random() for peer, free in donors.items() if peer not in asked}
        for peer in sorted(weights, key=lambda one: weights[one], reverse=True):
            if self._speaker.ask_for_space(peer, subnet.network):
                self._awaited.add(subnet)
                asked.append(peer)
                return

    # Claims (section 5.2)

    def _try_claim(self, pending: PendingClaim, now: float) -> bool:
        """True when it needs to be tried no more."""
        territory, cidr = self._territory, pending.cidr
        is_inside = cidr.address in territory.whole
        holder = territory.books.owner_of(cidr.address)
        if holder is not None:
            if pending.ident == ANONYMOUS_OWNER or holder == owner_name(pending.ident, cidr.address):
                return self._claimed(pending)
            return self._refuse(pending, f"address {cidr} {_in_use_by(holder, cidr, is_inside=is_inside)}")
        if is_inside and not self._has_ring(now):
            return self._answer_early(pending)
        owner = territory.owner_of(cidr.address)
        if is_inside and owner != self._us:
            return self._claim_elsewhere(pending, owner)
        territory.use(pending.ident, cidr, is_container=pending.is_container)
        return self._claimed(pending)

    def _claim_elsewhere(self, pending: PendingClaim, owner: PeerName | None) -> bool:
        if owner is None or pending.asked == owner:
            return False
        address = pending.cidr.address
        pending.asked, pending.denied_by = owner, None
        if self._speaker.ask_for_space(owner, Range(address, address + 1)):
            pending.failed_attempts = 0
            return False
        if pending.no_error_on_unknown:
            return self._answer_early(pending)
        pending.failed_attempts += 1
        if pending.failed_attempts < MAX_CLAIM_ATTEMPTS:
            return False
        reason = f"unknown relay destination: {format_peer_name(owner)}"
        return self._refuse(pending, f"{self._owned_elsewhere(pending.cidr, owner)} - {reason}")

    def _owned_elsewhere(self, cidr: Cidr, owner: PeerName) -> str:
        return f"address {cidr} is owned by other peer {self._speaker.label(owner)}"

    def _answer_early(self, pending: PendingClaim) -> bool:
        """Callers that do not want to wait hear yes now, while we go on trying."""
        if pending.no_error_on_unknown and pending.request is not None:
            self._events.append(Answered(pending.request, pending.cidr))
            pending.request = None
        return False

    def _claimed(self, pending: PendingClaim) -> bool:
        if pending.request is not None:
            self._events.append(Answered(pending.request, pending.cidr))
        return True

    def _refuse(self, pending: PendingClaim, reason: str) -> bool:
        if pending.request is None:
            log.warning("unable to claim for %s: %s", pending.ident, reason)
        else:
            self._events.append(Refused(pending.request, f"Unable to claim: {reason}"))
        return True


def _in_use_by(holder: str, cidr: Cidr, *, is_inside: bool) -> str:
    """The Go routers' words for an address that somebody on this host has."""
    if not is_inside:
        return f"already in use by {holder}"
    return "already in use" if holder == format_address(cidr.address) else f"is already owned by {holder}"
