"""The allocator: requests for addresses, and the talk with other peers about who owns which.

Specification ipam, sections 3 to 6 and 8. Pure: the coat gives time, delivers what `next_event` tells, and
commits the journal before it sends or answers anything. Once an address or a range is given, only the loss of
the journal could make us give it again.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from weave_cli.addresses import Cidr, Range
from weave_cli.errors import RemoteProtocolError, RouterProblem, UsageProblem
from weave_cli.names import UNKNOWN_PEER, PeerName, format_peer_name, parse_peer_name
from weave_cli.router.ipam.books import Books, Holding, Journal, owner_name
from weave_cli.router.ipam.consensus import Consensus, NodeId
from weave_cli.router.ipam.merge import merge_rings
from weave_cli.router.ipam.requests import (
    AllocatorView,
    Answered,
    Cancelled,
    Outcome,
    PendingAllocation,
    PendingClaim,
    Refused,
    RingEntryView,
)
from weave_cli.router.ipam.ring import Ring, as_cidr
from weave_cli.router.ipam.shapes import (
    State,
    UnicastKind,
    decode_range,
    decode_state,
    encode_range,
    encode_state,
)
from weave_cli.router.ipam.space import Space, subtract_ranges
from weave_cli.router.mesh.gossip import Channel, PeerDirectory

log = logging.getLogger(__name__)

#: Seconds between two tries of what waits.
RETRY_INTERVAL_S: Final = 5.0
#: A claim at an owner that cannot be reached fails after this many tries (section 5.2, 3).
MAX_CLAIM_ATTEMPTS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How the first ring comes to be (section 4.1).

    peer_count: hosts that there will be at first; 0: what count_targets says when the election starts.
    seeds: names that divide the range without an election. is_observer: waits for the others' ring.
    """

    peer_count: int = 0
    count_targets: Callable[[], int] = lambda: 0
    seeds: tuple[PeerName, ...] = ()
    is_observer: bool = False

    def quorum(self) -> int:
        peers = self.peer_count or self.count_targets() + 1
        return peers // 2 + 1


@dataclass(frozen=True, slots=True)
class Saved:
    """What an earlier life of this peer left in the journal."""

    ring: Ring | None = None
    holdings: Mapping[str, Holding] = field(default_factory=dict)


class _OurState:
    """Our state as of the moment when it is sent; two of them say no more than one."""

    def __init__(self, allocator: Allocator) -> None:
        self._allocator = allocator

    def merge(self, other: _OurState) -> _OurState:
        return self

    def encode(self, now: float) -> bytes:
        return self._allocator.encode_state(now)


class Allocator:
    """Our part of the range, our part in the mesh's talk about it."""

    def __init__(
        self,
        *,
        name: PeerName,
        uid: int,
        nickname: str,
        whole: Range,
        default_subnet: Cidr,
        setup: Setup,
        journal: Journal,
        saved: Saved,
        directory: PeerDirectory,
        rng: random.Random,
    ) -> None:
        self._us = name
        self._node = NodeId(name, uid)
        self._whole = whole
        self.default_subnet = default_subnet
        self._setup = setup
        self._journal = journal
        self._directory = directory
        self._rng = rng
        self._channel: Channel | None = None
        self._nicknames: dict[PeerName, str] = {name: nickname}
        self._consensus: Consensus | None = None
        self._is_observing = False
        self._has_left = False
        self._events: deque[Outcome] = deque()
        self._primes: list[int] = []
        self._claims: list[PendingClaim] = []
        self._allocations: list[PendingAllocation] = []
        self._retry_at: float | None = None
        self._load(saved)

    def attach(self, channel: Channel) -> None:
        """Speak through this from now on."""
        self._channel = channel

    # Operations (section 5)

    def allocate(self, request: int, ident: str, subnet: Cidr, *, is_container: bool, now: float) -> None:
        """An address of the subnet for an owner: the one it has, or the lowest free one."""
        pending = PendingAllocation(request, ident, subnet, is_container)
        if self._has_left:
            self._events.append(Cancelled(request))
        elif not subnet.network.overlaps(self._whole):
            reason = f"range {subnet} out of bounds: {as_cidr(self._whole)}"
            self._events.append(Refused(request, reason))
        elif not self._try_allocation(pending, set(), now):
            self._allocations.append(pending)
            self._wake_by(now + RETRY_INTERVAL_S)

    def claim(
        self,
        request: int,
        ident: str,
        cidr: Cidr,
        *,
        no_error_on_unknown: bool,
        is_container: bool,
        now: float,
    ) -> None:
        """This very address for an owner."""
        pending = PendingClaim(request, ident, cidr, is_container, no_error_on_unknown)
        if self._has_left:
            self._events.append(Cancelled(request))
        elif not self._try_claim(pending, now):
            self._claims.append(pending)
            self._wake_by(now + RETRY_INTERVAL_S)

    def wait_for_ring(self, request: int, now: float) -> None:
        """Answered once the range is divided."""
        if self._has_left:
            self._events.append(Cancelled(request))
        elif not self._ring.is_empty:
            self._events.append(Answered(request, None))
        else:
            self._primes.append(request)
            self._elect(now)
            self._wake_by(now + RETRY_INTERVAL_S)

    def cancel(self, request: int, now: float) -> None:
        """The caller has gone away; what it asked for is given to nobody."""
        self._primes = [one for one in self._primes if one != request]
        self._claims = [one for one in self._claims if one.request != request]
        self._allocations = [one for one in self._allocations if one.request != request]

    def lookup(self, ident: str, subnet: Cidr) -> list[Cidr]:
        """The owner's addresses among the usable ones of a subnet."""
        return self._books.find(ident, subnet.usable)

    def owned(self) -> dict[str, list[Cidr]]:
        """All addresses in use on this host, by owner."""
        return self._books.all()

    def free(self, ident: str, address: int, now: float) -> None:
        """Give one address back; raises RouterProblem when it is not the owner's."""
        for cidr in self._books.cidrs_of(ident):
            if cidr.address == address:
                self._release(ident, cidr)
                self._retry(now)
                return
        text = str(Cidr(address, 32)).partition("/")[0]
        raise RouterProblem(f"Unable to free: Free: address {text} not found for {ident}")

    def delete(self, ident: str, now: float) -> None:
        """Give all addresses of an owner back; raises RouterProblem when it has none."""
        cidrs = self._books.cidrs_of(ident)
        if not cidrs:
            raise RouterProblem(f"Delete: no addresses for {ident}")
        for cidr in cidrs:
            self._release(ident, cidr)
        self._retry(now)

    # Leaving and removal (section 8)

    def leave(self, now: float) -> None:
        """Hand all we own to another peer, and give out nothing any more."""
        self._has_left = True
        claims = [one.request for one in self._claims if one.request is not None]
        allocations = [one.request for one in self._allocations]
        self._events.extend(Cancelled(request) for request in (*self._primes, *claims, *allocations))
        self._primes, self._claims, self._allocations = [], [], []
        if self._ring.is_empty:
            return
        heir = self._choose_heir()
        self._ring.transfer(self._us, UNKNOWN_PEER if heir is None else heir)
        self._space = Space()
        self._journal.save_ring(self._ring)
        if heir is not None:
            self._broadcast()

    def take_over(self, name_or_nickname: str, now: float) -> int:
        """Make the ranges of a dead peer ours; the number of free addresses gained, 0 for unknown names."""
        peer = self._find_peer(name_or_nickname)
        if peer is None or peer == self._us:
            return 0
        gained = self._ring.transfer(peer, self._us)
        for stretch in gained:
            self._space.give_back(stretch)
        if gained:
            self._ring.report_free(self._us, self._space.count_free)
            self._journal.save_ring(self._ring)
            self._broadcast()
            self._retry(now)
        return sum(stretch.size for stretch in gained)

    def peers_forgotten(self, names: Iterable[PeerName]) -> None:
        """Drop the nicknames of peers that left the mesh and own nothing."""
        owners = set(self._ring.owners())
        for name in names:
            if name not in owners and name != self._us:
                self._nicknames.pop(name, None)

    # Gossip (section 3)

    def on_unicast(self, source: PeerName, data: bytes, now: float) -> None:
        if not data:
            raise RemoteProtocolError("empty message about addresses")
        match data[0]:
            case UnicastKind.SPACE_REQUEST:
                self._donate(decode_range(data[1:]), source, now)
            case UnicastKind.RING_UPDATE:
                self._take_state(decode_state(data[1:]), source, now)
            case UnicastKind.SPACE_DENIED:
                self._denied(decode_range(data[1:]), source)
            case kind:
                raise RemoteProtocolError(f"message about addresses of the unknown kind {kind}")

    def on_broadcast(self, source: PeerName, data: bytes, now: float) -> _OurState:
        self._take_state(decode_state(data), source, now)
        return _OurState(self)

    def on_gossip(self, data: bytes, now: float) -> None:
        self._take_state(decode_state(data), None, now)

    def complete_state(self, now: float) -> _OurState:
        return _OurState(self)

    def encode_state(self, now: float) -> bytes:
        """What we know as of now; with a ring the election is over, and before it observers ask for one."""
        elects = self._ring.is_empty and not self._setup.is_observer
        known = self._consensus.knows if self._consensus else {}
        return encode_state(
            State(
                now=int(now),
                sender=self._us,
                nicknames=self._nicknames,
                paxos=known if elects else None,
                ring=None if self._ring.is_empty else self._ring,
            )
        )

    # Events, time and views

    def next_event(self) -> Outcome | None:
        return self._events.popleft() if self._events else None

    def next_wake(self) -> float | None:
        return self._retry_at

    def on_wake(self, now: float) -> None:
        """Try again what waits."""
        if self._retry_at is None or now < self._retry_at:
            return
        self._retry_at = None
        waits = bool(self._primes or self._claims or self._allocations)
        if self._ring.is_empty and (waits or self._consensus):
            self._elect(now)
        self._retry(now)
        if waits or (self._ring.is_empty and self._consensus):
            self._wake_by(now + RETRY_INTERVAL_S)

    def view(self) -> AllocatorView:
        entries = tuple(
            RingEntryView(
                token=stretch.start,
                size=stretch.size,
                peer=entry.peer,
                nickname=self._nicknames.get(entry.peer, ""),
                is_known=self._directory.is_known(entry.peer),
                version=entry.version,
            )
            for index, entry in enumerate(self._ring.entries)
            for stretch in self._ring.stretches_of(index)
        )
        return AllocatorView(
            whole=self._whole,
            default_subnet=self.default_subnet,
            active=len(self._books),
            entries=entries,
            is_electing=self._ring.is_empty and (self._consensus is not None or self._is_observing),
            is_elector=not self._setup.is_observer,
            quorum=self._consensus.quorum if self._consensus else 0,
            known_nodes=len(self._consensus.knows) if self._consensus else 0,
            pending_claims=tuple(self._claims),
            pending_allocations=tuple(self._allocations),
        )

    # What happens inside: state

    def _load(self, saved: Saved) -> None:
        ring = saved.ring
        usable = ring is not None and not ring.is_empty and ring.whole == self._whole
        if ring is not None and not usable and not ring.is_empty:
            log.warning("the stored division is of %s: starting without it", as_cidr(ring.whole))
        self._ring = ring if ring is not None and usable else Ring(self._whole)
        self._space = Space(self._ring.owned_by(self._us))
        self._books = Books(self._journal, saved.holdings if usable or ring is None else {})
        if not usable and ring is not None:
            for holding in saved.holdings.values():
                for cidr in holding.cidrs:
                    self._journal.remove_owned(cidr)
        for address in sorted(self._books.addresses()):
            if self._space.is_free(address):
                self._space.take(Range(address, address + 1))
        if self._ring.is_empty and self._setup.seeds:
            self._create_ring(self._setup.seeds)
        elif self._ring.report_free(self._us, self._space.count_free):
            self._journal.save_ring(self._ring)

    def _create_ring(self, names: Iterable[PeerName]) -> None:
        self._ring.seed(names)
        self._space = Space(self._ring.owned_by(self._us))
        self._journal.save_ring(self._ring)
        log.info("the range %s is divided among %d peers", as_cidr(self._whole), len(self._ring.seeds))

    def _take_state(self, state: State, sender: PeerName | None, now: float) -> None:
        """Section 3.3, in its order."""
        for name, nickname in state.nicknames.items():
            if name != self._us:
                self._nicknames[name] = nickname
        if state.ring is not None:
            self._merge(state.ring, now)
        elif not self._ring.is_empty:
            if sender is not None and sender != self._us:
                self._unicast(sender, UnicastKind.RING_UPDATE, self.encode_state(now))
        elif self._setup.is_observer:
            return
        elif state.paxos is not None:
            if state.paxos:
                self._follow_election(state, now)
        elif sender is not None:
            self._elect(now)

    def _merge(self, theirs: Ring, now: float) -> None:
        merged = merge_rings(self._ring, theirs, self._us, self._has_allocations)
        before, after = self._ring.owned_by(self._us), merged.ring.owned_by(self._us)
        lost = subtract_ranges(before, after)
        if any(self._has_allocations(stretch) for stretch in lost):
            raise RemoteProtocolError(f"incoming ring takes {lost[0]} away, where addresses are in use")
        changed = merged.ring != self._ring
        self._ring = merged.ring
        for stretch in lost:
            for free in list(self._space.free_in(stretch)):
                self._space.take(free)
        for stretch in subtract_ranges(after, before):
            self._gain(stretch)
        if changed:
            self._ring.report_free(self._us, self._space.count_free)
            self._journal.save_ring(self._ring)
        if merged.updated:
            self._consensus = None
            self.peers_forgotten([name for name in self._nicknames if not self._directory.is_known(name)])
            self._retry(now)

    def _gain(self, stretch: Range) -> None:
        """Make a stretch ours, but for addresses of it that are in use here already."""
        used = sorted(address for address in self._books.addresses() if address in stretch)
        for free in subtract_ranges([stretch], [Range(address, address + 1) for address in used]):
            self._space.give_back(free)

    def _has_allocations(self, part: Range) -> bool:
        return self._space.count_free(part) < part.size

    # What happens inside: the election (section 4)

    def _elect(self, now: float) -> None:
        """Begin an election, or another round of it; observers ask for the others' ring."""
        if self._setup.is_observer:
            self._is_observing = True
        else:
            if self._consensus is None:
                self._consensus = Consensus(self._node, self._setup.quorum())
            self._consensus.propose()
            self._wake_by(now + RETRY_INTERVAL_S)
        self._broadcast()
        self._finish_election(now)

    def _follow_election(self, state: State, now: float) -> None:
        if self._consensus is None:
            self._consensus = Consensus(self._node, self._setup.quorum())
        if self._consensus.update(state.paxos or {}) and self._consensus.think():
            self._broadcast()
        self._finish_election(now)

    def _finish_election(self, now: float) -> None:
        names = self._consensus.decision() if self._consensus else None
        if names is not None and self._ring.is_empty:
            self._create_ring(names)
            self._consensus = None
            self._broadcast()
            self._retry(now)

    # What happens inside: trying

    def _retry(self, now: float) -> None:
        """Try all that waits once, in the order of section 5."""
        if not self._ring.is_empty:
            self._events.extend(Answered(request, None) for request in self._primes)
            self._primes = []
        claims, self._claims = self._claims, []
        self._claims[:0] = [one for one in claims if not self._try_claim(one, now)]
        allocations, self._allocations = self._allocations, []
        # One request for space serves all that wait for the same subnet.
        asked: set[Cidr] = set()
        waiting = [one for one in allocations if not self._try_allocation(one, asked, now)]
        self._allocations[:0] = waiting

    def _try_allocation(self, pending: PendingAllocation, asked: set[Cidr], now: float) -> bool:
        """True when it needs to be tried no more."""
        if found := self._books.find(pending.ident, pending.subnet.network):
            self._events.append(Answered(pending.request, found[0]))
            return True
        if self._ring.is_empty:
            if not (self._consensus or self._is_observing):
                self._elect(now)
            if self._ring.is_empty:
                return False
        address = self._space.lowest_free(pending.subnet.usable)
        if address is not None:
            cidr = Cidr(address, pending.subnet.prefix_len)
            self._use(pending.ident, cidr, pending.is_container)
            self._events.append(Answered(pending.request, cidr))
            return True
        if pending.subnet not in asked:
            asked.add(pending.subnet)
            self._ask_for_space(pending.subnet.network)
        return False

    def _ask_for_space(self, wanted: Range) -> None:
        """Ask one of the peers that have some, the likelier the more it has (section 5.1, 5)."""
        donors = self._ring.donors_for(wanted, self._us)
        by_weight = sorted(donors, key=lambda peer: donors[peer] * self._rng.random(), reverse=True)
        for peer in by_weight:
            if self._unicast(peer, UnicastKind.SPACE_REQUEST, encode_range(wanted)):
                return

    def _try_claim(self, pending: PendingClaim, now: float) -> bool:
        """True when it needs to be tried no more (section 5.2)."""
        cidr = pending.cidr
        holder = self._books.owner_of(cidr.address)
        if holder is not None:
            if holder == owner_name(pending.ident, cidr.address) or pending.ident == "_":
                return self._claimed(pending)
            within = cidr.address in self._whole
            words = "is already owned by" if within else "already in use by"
            return self._refuse(pending, f"address {cidr} {words} {holder}")
        if cidr.address not in self._whole:
            self._books.add(pending.ident, cidr, pending.is_container)
            return self._claimed(pending)
        if self._ring.is_empty and not (self._consensus or self._is_observing):
            self._elect(now)
        if self._ring.is_empty:
            return self._answer_early(pending)
        owner = self._ring.owner_of(cidr.address)
        if owner != self._us:
            return self._claim_elsewhere(pending, owner)
        if not self._space.is_free(cidr.address):
            return self._refuse(pending, f"address {cidr} already in use")
        self._use(pending.ident, cidr, pending.is_container)
        return self._claimed(pending)

    def _claim_elsewhere(self, pending: PendingClaim, owner: PeerName | None) -> bool:
        address = pending.cidr.address
        wanted = encode_range(Range(address, address + 1))
        if owner and self._unicast(owner, UnicastKind.SPACE_REQUEST, wanted):
            pending.failed_attempts = 0
            return False
        if pending.no_error_on_unknown:
            return self._answer_early(pending)
        pending.failed_attempts += 1
        if pending.failed_attempts < MAX_CLAIM_ATTEMPTS:
            return False
        return self._refuse(pending, f"address {pending.cidr} is owned by other peer {self._label(owner)}")

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

    # What happens inside: giving and taking

    def _use(self, ident: str, cidr: Cidr, is_container: bool) -> None:
        self._space.take(Range(cidr.address, cidr.address + 1))
        self._books.add(ident, cidr, is_container)
        self._ring.count_use(cidr.address, -1)
        self._journal.save_ring(self._ring)

    def _release(self, ident: str, cidr: Cidr) -> None:
        self._books.remove(ident, cidr)
        if self._ring.owner_of(cidr.address) == self._us:
            self._space.give_back(Range(cidr.address, cidr.address + 1))
            self._ring.count_use(cidr.address, +1)
            self._journal.save_ring(self._ring)

    def _donate(self, wanted: Range, asker: PeerName, now: float) -> None:
        """Answer a space request (section 5.3): the asker learns from our ring what it got."""
        if self._ring.is_empty or asker == self._us:
            return
        donation = self._space.choose_donation(wanted)
        if donation is None:
            self._unicast(asker, UnicastKind.SPACE_DENIED, encode_range(wanted))
        else:
            self._space.take(donation)
            self._ring.grant(donation, asker)
            self._ring.report_free(self._us, self._space.count_free)
            self._journal.save_ring(self._ring)
            log.info("giving %s to %s", donation, self._label(asker))
            self._broadcast()
        self._unicast(asker, UnicastKind.RING_UPDATE, self.encode_state(now))

    def _denied(self, part: Range, source: PeerName) -> None:
        denied = [one for one in self._claims if one.cidr.address in part]
        self._claims = [one for one in self._claims if one.cidr.address not in part]
        for pending in denied:
            self._refuse(pending, f"address {pending.cidr} is owned by other peer {self._label(source)}")

    def _choose_heir(self) -> PeerName | None:
        """Section 8.1: owners that can be reached, then anybody that can, then those that cannot."""
        owners = [peer for peer in self._ring.owners() if peer not in (self._us, UNKNOWN_PEER)]
        named = [peer for peer in self._nicknames if peer != self._us]
        known = self._directory.is_known
        candidates = [*filter(known, owners), *filter(known, named), *owners, *named]
        return candidates[0] if candidates else None

    def _find_peer(self, text: str) -> PeerName | None:
        for name, nickname in self._nicknames.items():
            if nickname == text:
                return name
        try:
            return parse_peer_name(text)
        except UsageProblem:
            return None

    def _label(self, peer: PeerName | None) -> str:
        name = UNKNOWN_PEER if peer is None else peer
        return f"{format_peer_name(name)} ({self._nicknames.get(name, '')})"

    # What happens inside: speaking

    def _broadcast(self) -> None:
        if self._channel is not None:
            self._channel.broadcast(_OurState(self))

    def _unicast(self, peer: PeerName, kind: UnicastKind, body: bytes) -> bool:
        return self._channel is not None and self._channel.unicast(peer, bytes((kind,)) + body)

    def _wake_by(self, moment: float) -> None:
        self._retry_at = moment if self._retry_at is None else min(self._retry_at, moment)
