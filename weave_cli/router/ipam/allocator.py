"""The allocator: one Gossiper that gives addresses, and talks with other peers about who owns which.

Specification ipam, sections 3 to 6 and 8. Pure: the coat gives time, delivers what `next_event` tells, and
commits the journal before it sends or answers anything. Once an address or a range is given, only the loss of
the journal could make us give it again. What is ours is `territory`, what waits is `operations`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from typing import Final

from weave_cli.addresses import Cidr, Range, format_address
from weave_cli.errors import RemoteProtocolError, RouterProblem
from weave_cli.names import UNKNOWN_PEER, PeerName
from weave_cli.router.ipam.books import Journal, owner_name
from weave_cli.router.ipam.consensus import NodeId
from weave_cli.router.ipam.election import Election
from weave_cli.router.ipam.election import Setup as Setup
from weave_cli.router.ipam.nicknames import Nicknames
from weave_cli.router.ipam.operations import Operations
from weave_cli.router.ipam.requests import Outcome, PendingAllocation, PendingClaim
from weave_cli.router.ipam.shapes import (
    State,
    UnicastKind,
    decode_range,
    decode_state,
    encode_range,
    encode_state,
)
from weave_cli.router.ipam.territory import Saved as Saved
from weave_cli.router.ipam.territory import Territory
from weave_cli.router.ipam.views import AllocatorView, make_view
from weave_cli.router.mesh.gossip import Channel, PeerDirectory

log = logging.getLogger(__name__)

#: Seconds between two tries of what waits.
RETRY_INTERVAL_S: Final = 5.0
#: Of so many chances to propose again, one is taken, on the average, in a long election.
_RAREST_PROPOSAL: Final = 8


class _OurState:
    """Our state as of the moment when it is sent; two of them say no more than one."""

    def __init__(self, allocator: Allocator) -> None:
        self._allocator = allocator

    def merge(self, other: _OurState) -> _OurState:
        return self

    def split(self) -> tuple[_OurState]:
        return (self,)

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
        """saved: of an earlier life under the same name; uid: of this life."""
        self._us = name
        self.default_subnet = default_subnet
        self._directory = directory
        self._channel: Channel | None = None
        self._nicknames = Nicknames(name, nickname)
        self._election = Election(NodeId(name, uid), setup)
        self._territory = Territory(name, whole, journal, saved)
        self._operations = Operations(name, self._territory, self, rng)
        self._rng = rng
        self._has_left = False
        self._retry_at: float | None = None
        self._proposals = 0
        if setup.seeds and not self._territory.is_divided:
            self._territory.divide(setup.seeds)

    def attach(self, channel: Channel) -> None:
        """Speak through this from now on."""
        self._channel = channel

    # Operations (section 5)

    def allocate(self, request: int, ident: str, subnet: Cidr, *, is_container: bool, now: float) -> None:
        """An address of the subnet for an owner: the one it has, or the lowest free one."""
        if self._has_left:
            self._operations.refuse_for_good(request)
        else:
            self._operations.allocate(PendingAllocation(request, ident, subnet, is_container), now)
            self._keep_awake(now)

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
        if self._has_left:
            self._operations.refuse_for_good(request)
        else:
            pending = PendingClaim(request, ident, cidr, is_container, no_error_on_unknown)
            self._operations.claim(pending, now)
            self._keep_awake(now)

    def wait_for_ring(self, request: int, now: float) -> None:
        """Answered once the range is divided."""
        if self._has_left:
            self._operations.refuse_for_good(request)
        else:
            self._operations.wait_for_ring(request, now)
            self._keep_awake(now)

    def cancel(self, request: int, now: float) -> None:
        """The caller has gone away; what it asked for is given to nobody."""
        self._operations.cancel(request)

    def lookup(self, ident: str, subnet: Cidr) -> list[Cidr]:
        """The owner's addresses among the usable ones of a subnet."""
        return self._territory.books.find(ident, subnet.usable)

    def owned(self) -> dict[str, list[Cidr]]:
        """All addresses in use on this host, by owner."""
        return self._territory.books.all()

    def free(self, ident: str, address: int, now: float) -> None:
        """Give one address back; raises RouterProblem when it is not the owner's."""
        owner = owner_name(ident, address)
        for cidr in self._territory.books.cidrs_of(owner):
            if cidr.address == address:
                self._territory.release(owner, cidr)
                self._operations.retry(now)
                return
        raise RouterProblem(f"Unable to free: Free: address {format_address(address)} not found for {ident}")

    def delete(self, ident: str, now: float) -> None:
        """Give all addresses of an owner back; raises RouterProblem when it has none."""
        cidrs = self._territory.books.cidrs_of(ident)
        if not cidrs:
            raise RouterProblem(f"Delete: no addresses for {ident}")
        for cidr in cidrs:
            self._territory.release(ident, cidr)
        self._operations.retry(now)

    # Leaving and removal (section 8)

    def leave(self, now: float) -> None:
        """Hand all we own to another peer, and give out nothing any more."""
        self._has_left = True
        self._operations.cancel_all()
        self._election.end()
        if self._territory.is_divided:
            heir = self._choose_heir()
            self._territory.hand_over(heir)
            if heir is not None:
                self._broadcast()

    def take_over(self, name_or_nickname: str, now: float) -> int:
        """Make the ranges of a dead peer ours; the number of addresses gained, 0 for unknown names and us.

        Raises RouterProblem for an owner that is in the mesh just now: its addresses may be in use, and a Go
        router from which unused ranges are taken ends itself (specification ipam, section 2.6).
        """
        peer = self._nicknames.find(name_or_nickname, self._directory.is_known)
        if peer is None or peer == self._us or self._has_left:
            return 0
        if self._directory.is_known(peer) and self._territory.ring.owned_by(peer):
            raise RouterProblem(
                f"{self.label(peer)} is in the mesh, and its addresses may be in use: "
                "reset or stop it first, and wait until 'weave status peers' shows it no more"
            )
        gained = self._territory.annex(peer)
        if gained:
            self._broadcast()
            self._operations.on_gained(now)
        return gained

    def peers_forgotten(self, names: Iterable[PeerName]) -> None:
        """Drop the nicknames of peers that left the mesh and own nothing."""
        self._nicknames.forget(names, but=self._territory.ring.owners())

    # Gossip (section 3)

    def on_unicast(self, source: PeerName, data: bytes, now: float) -> None:
        if not data:
            raise RemoteProtocolError("empty message about addresses")
        match data[0]:
            case UnicastKind.SPACE_REQUEST:
                self._donate(decode_range(data[1:]), source, now)
            case UnicastKind.RING_UPDATE:
                self._take_state(decode_state(data[1:]), source, now)
                self._operations.on_told(source)
            case UnicastKind.SPACE_DENIED:
                self._operations.on_denied(decode_range(data[1:]), source)
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
        is_divided = self._territory.is_divided
        return encode_state(
            State(
                now=int(now),
                sender=self._us,
                nicknames=self._nicknames.as_dict(),
                paxos=None if is_divided else self._election.claims_to_send(),
                ring=self._territory.ring if is_divided else None,
            )
        )

    # Events, time and views

    def next_event(self) -> Outcome | None:
        return self._operations.next_event()

    def next_wake(self) -> float | None:
        return self._retry_at

    def on_wake(self, now: float) -> None:
        """Try again what waits, and propose again while there is no ring."""
        if self._retry_at is None or now < self._retry_at:
            return
        self._retry_at = None
        if self._waits and not self._territory.is_divided and self._shall_propose_again():
            self._propose(now)
        self._operations.tick(now)
        self._keep_awake(now)

    def set_back(self, by_s: float) -> None:
        """The clock was set back by so many seconds."""
        if self._retry_at is not None:
            self._retry_at -= by_s

    def view(self) -> AllocatorView:
        """What status shows."""
        return make_view(
            self.default_subnet,
            self._territory,
            self._operations,
            self._election,
            self._nicknames,
            self._directory,
        )

    # What operations ask of us

    def begin_election(self, now: float) -> None:
        """Begin an election, or as an observer ask for the others' ring; nothing while that goes on."""
        if not self._election.is_running:
            self._propose(now)
            self._keep_awake(now)

    def ask_for_space(self, owner: PeerName, wanted: Range) -> bool:
        """Send a space request; False when the owner cannot be reached."""
        return self._unicast(owner, UnicastKind.SPACE_REQUEST, encode_range(wanted))

    def label(self, peer: PeerName | None) -> str:
        """A peer for sentences."""
        return self._nicknames.label(peer)

    # Inside

    def _take_state(self, state: State, sender: PeerName | None, now: float) -> None:
        """Section 3.3, in its order."""
        self._nicknames.learn(state.nicknames)
        if state.ring is not None:
            self._merge(state, now)
        elif self._territory.is_divided:
            if sender is not None and sender != self._us:
                self._unicast(sender, UnicastKind.RING_UPDATE, self.encode_state(now))
        elif state.paxos is not None:
            if self._election.follow(state.paxos):
                self._broadcast()
            self._finish_election(now)
        elif sender is not None and self._election.is_elector:
            self.begin_election(now)

    def _merge(self, state: State, now: float) -> None:
        assert state.ring is not None
        news = self._territory.merge(state.ring)
        if news.updated:
            self._election.end()
            self.peers_forgotten([name for name in self._nicknames if not self._directory.is_known(name)])
        if news.gained:
            self._operations.on_gained(now)
        elif news.updated:
            self._operations.retry(now)

    def _propose(self, now: float) -> None:
        self._proposals += 1
        self._election.propose()
        self._broadcast()
        self._finish_election(now)

    def _finish_election(self, now: float) -> None:
        names = self._election.decision()
        if names is not None and not self._territory.is_divided:
            self._election.end()
            self._territory.divide(names)
            self._broadcast()
            self._operations.on_gained(now)

    def _donate(self, wanted: Range, asker: PeerName, now: float) -> None:
        """Answer a space request (section 5.3): the asker learns from our ring what it got."""
        if asker == UNKNOWN_PEER:
            raise RemoteProtocolError("space request from a peer without a name")
        if not self._territory.is_divided or asker == self._us:
            return
        donation = self._territory.donate(wanted, asker)
        if donation is None:
            self._unicast(asker, UnicastKind.SPACE_DENIED, encode_range(wanted))
        else:
            log.info("giving %s to %s", donation, self.label(asker))
            self._broadcast()
        self._unicast(asker, UnicastKind.RING_UPDATE, self.encode_state(now))

    def _choose_heir(self) -> PeerName | None:
        """Section 8.1: owners that can be reached, then anybody that can, then those that cannot."""
        owners = [peer for peer in self._territory.ring.owners() if peer not in (self._us, UNKNOWN_PEER)]
        named = [peer for peer in self._nicknames if peer != self._us]
        known = self._directory.is_known
        candidates = [*filter(known, owners), *filter(known, named), *owners, *named]
        return candidates[0] if candidates else None

    def _broadcast(self) -> None:
        if self._channel is not None:
            self._channel.broadcast(_OurState(self))

    def _unicast(self, peer: PeerName, kind: UnicastKind, body: bytes) -> bool:
        return self._channel is not None and self._channel.unicast(peer, bytes((kind,)) + body)

    @property
    def _waits(self) -> bool:
        return self._operations.is_waiting or self._election.is_running

    def _shall_propose_again(self) -> bool:
        """The more often in vain, the rarer: where messages take long, peers that all propose in step would
        overtake each other's proposals for ever."""
        return self._rng.random() < 1 / max(1, min(self._proposals, _RAREST_PROPOSAL))

    def _keep_awake(self, now: float) -> None:
        """Come back later while something waits."""
        if self._waits and self._retry_at is None:
            self._retry_at = now + RETRY_INTERVAL_S
