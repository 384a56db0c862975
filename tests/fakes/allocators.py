"""Allocators that talk through a pretended mesh, with journals that survive their crashes.

Messages take time, overtake each other, and get lost, as the seed says. A peer commits, answers and sends
after every stimulus, as the router's pump does; told to crash at one of its journal's calls, it starts again
from what was committed. `check` holds whatever happened to what must hold always.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from weave_cli.addresses import Cidr, Range, parse_cidr
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import ANONYMOUS_OWNER, PeerName
from weave_cli.router.ipam.allocator import Allocator, Saved, Setup
from weave_cli.router.ipam.books import Holding
from weave_cli.router.ipam.requests import Answered, Cancelled, Refused
from weave_cli.router.ipam.ring import Ring
from weave_cli.router.mesh.gossip import GossipData

START = 1_700_000_000.0


class Crash(Exception):
    """The process is gone."""


def copy_of(saved: Saved) -> Saved:
    """The same values, shared with nobody."""
    ring = saved.ring and Ring(saved.ring.whole, saved.ring.entries, saved.ring.seeds)
    holdings = {ident: Holding(one.is_container, list(one.cidrs)) for ident, one in saved.holdings.items()}
    return Saved(ring, holdings)


@dataclass
class FakeJournal:
    """Notes changes; `committed` is what a crash leaves. Calls are counted, and one may be the last."""

    committed: Saved = field(default_factory=Saved)
    ring: Ring | None = None
    owned: dict[int, tuple[str, Cidr, bool]] = field(default_factory=dict)
    commits: int = 0
    calls: int = 0
    crash_at: int | None = None

    def save_ring(self, ring: Ring) -> None:
        self._count()
        self.ring = ring

    def add_owned(self, ident: str, cidr: Cidr, is_container: bool) -> None:
        self._count()
        self.owned[cidr.address] = (ident, cidr, is_container)

    def remove_owned(self, cidr: Cidr) -> None:
        self._count()
        self.owned.pop(cidr.address, None)

    def commit(self) -> None:
        self._count()
        holdings: dict[str, Holding] = {}
        for ident, cidr, is_container in self.owned.values():
            holdings.setdefault(ident, Holding(is_container)).cidrs.append(cidr)
        self.committed = copy_of(Saved(self.ring or self.committed.ring, holdings))
        self.ring = None
        self.commits += 1
        self._count()

    def reopen(self) -> Saved:
        """After a crash: what was noted since the last commit is lost."""
        self.ring = None
        self.owned = {
            cidr.address: (ident, cidr, one.is_container)
            for ident, one in self.committed.holdings.items()
            for cidr in one.cidrs
        }
        return copy_of(self.committed)

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.crash_at:
            raise Crash


class FakePeer:
    """A host: its journal stays when its allocator dies. Plays Channel and PeerDirectory."""

    def __init__(self, mesh: FakeAllocatorMesh, number: int, setup: Setup) -> None:
        self.mesh = mesh
        self.number = number
        self.name = PeerName(0x7A0000000000 + number)
        self.setup = setup
        self.journal = FakeJournal()
        self.crashes = -1
        self.answers: dict[int, Cidr | str | None] = {}
        #: Addresses that callers were told they have, by whom, and have not asked to delete since.
        self.promised: dict[int, str] = {}
        #: Owners whose addresses callers were told are given up.
        self.gone: set[str] = set()
        self.start()

    def start(self) -> None:
        """A new life, from what the journal has."""
        self.crashes += 1
        self._outbox: list[tuple[PeerName | None, bytes | GossipData]] = []
        self._owners: dict[int, str] = {}
        self.allocator = Allocator(
            name=self.name,
            uid=self.mesh.rng.randrange(1, 1 << 32),
            nickname=f"host{self.number}",
            whole=self.mesh.range.network,
            default_subnet=self.mesh.range,
            setup=self.setup,
            journal=self.journal,
            saved=self.journal.reopen(),
            directory=self,
            rng=self.mesh.rng,
        )
        self.allocator.attach(self)

    # The roles PeerDirectory and Channel

    def is_known(self, name: PeerName) -> bool:
        return self.mesh.reaches(self.name, name)

    def nickname_of(self, name: PeerName) -> str:
        return f"host{name & 0xFF}"

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        if not self.mesh.reaches(self.name, destination):
            return False
        self._outbox.append((destination, data))
        return True

    def broadcast(self, data: GossipData) -> None:
        self._outbox.append((None, data))

    def gossip(self, data: GossipData) -> None:
        self._outbox.append((None, data))

    # Stimuli

    def do(self, act: Callable[[Allocator], None]) -> bool:
        """Let something happen, then settle; False when a crash meanwhile started a new life."""
        try:
            act(self.allocator)
            self._settle()
        except Crash:
            self.start()
            return False
        return True

    def allocate(self, ident: str, subnet: Cidr | None = None) -> int:
        """Ask for an address; the number of the request."""
        number = self.mesh.next_number()
        self._owners[number] = ident
        self.gone.discard(ident)
        wanted = subnet or self.mesh.range
        self.do(lambda one: one.allocate(number, ident, wanted, is_container=False, now=self.mesh.now))
        return number

    def claim(self, ident: str, text: str, *, early: bool = False) -> int:
        """Ask for this address; the number of the request."""
        number = self.mesh.next_number()
        cidr = parse_cidr(text)
        self.gone.discard(ident)
        if not early:
            self._owners[number] = ident
        self.do(
            lambda one: one.claim(
                number, ident, cidr, no_error_on_unknown=early, is_container=False, now=self.mesh.now
            )
        )
        return number

    def wait_for_ring(self) -> int:
        """Ask to be told when there is a ring; the number of the request."""
        number = self.mesh.next_number()
        self.do(lambda one: one.wait_for_ring(number, self.mesh.now))
        return number

    def delete(self, ident: str) -> None:
        """Give up all addresses of an owner; from now on nobody relies on them."""
        self.promised = {address: one for address, one in self.promised.items() if one != ident}
        if self.do(lambda one: one.delete(ident, self.mesh.now)):
            self.gone.add(ident)

    def take_over(self, name: str) -> int:
        """Make a dead peer's ranges ours; the number of addresses gained."""
        gained: list[int] = []
        self.do(lambda one: gained.append(one.take_over(name, self.mesh.now)))
        return sum(gained)

    def leave(self) -> None:
        """Hand everything to another peer."""
        self.do(lambda one: one.leave(self.mesh.now))

    def _settle(self) -> None:
        """Commit, then take answers and messages, as the router's pump does."""
        self.journal.commit()
        while event := self.allocator.next_event():
            match event:
                case Answered(request=request, cidr=cidr):
                    self.answers[request] = cidr
                    if cidr is not None and request in self._owners:
                        self.promised[cidr.address] = self._owners[request]
                case Refused(request=request, reason=reason):
                    self.answers[request] = reason
                case Cancelled(request=request):
                    self.answers[request] = "cancelled"
        for to, data in self._outbox:
            self.mesh.post(self.name, to, data if isinstance(data, bytes) else data.encode(self.mesh.now))
        self._outbox = []


class FakeAllocatorMesh:
    """Peers that hear and know each other unless cut apart."""

    def __init__(
        self, seed: int, *, whole: str = "10.32.0.0/26", loss: float = 0.0, delay_s: float = 0.0
    ) -> None:
        self.rng = random.Random(seed)
        self.range = parse_cidr(whole)
        self.loss = loss
        self.delay_s = delay_s
        self.now = START
        self.peers: dict[PeerName, FakePeer] = {}
        self.groups: list[set[PeerName]] = []
        self.problems: list[str] = []
        self._numbers = itertools.count(1)
        self._order = itertools.count()
        self._flight: list[tuple[float, int, PeerName, PeerName, bool, bytes]] = []

    def add(self, number: int, setup: Setup | None = None) -> FakePeer:
        peer = FakePeer(self, number, setup or Setup())
        self.peers[peer.name] = peer
        return peer

    def next_number(self) -> int:
        return next(self._numbers)

    def cut(self, *groups: Sequence[FakePeer]) -> None:
        """Peers of different groups do not hear each other; no groups: all do again."""
        self.groups = [{peer.name for peer in group} for group in groups]

    def reaches(self, one: PeerName, other: PeerName) -> bool:
        together = not self.groups or any({one, other} <= group for group in self.groups)
        return other in self.peers and together

    # Messages and time

    def post(self, source: PeerName, to: PeerName | None, data: bytes) -> None:
        """Send to one peer or to all; what gets lost is lost now."""
        for name in self.peers if to is None else [to]:
            if name != source and self.reaches(source, name) and self.rng.random() >= self.loss:
                arrival = self.now + self.rng.random() * self.delay_s
                heapq.heappush(self._flight, (arrival, next(self._order), source, name, to is None, data))

    def deliver(self) -> None:
        """Carry messages until nobody has any."""
        while self._flight:
            self._carry()

    def gossip(self) -> None:
        """Everybody's periodic gossip, once."""
        for peer in list(self.peers.values()):
            peer.do(lambda one, peer=peer: peer.gossip(one.complete_state(self.now)))  # type: ignore[misc]
        self.deliver()

    def wait(self, seconds: float) -> None:
        """Let time pass; messages arrive, allocators wake."""
        until = self.now + seconds
        while True:
            wakes = [wake for peer in self.peers.values() if (wake := peer.allocator.next_wake()) is not None]
            arrival = self._flight[0][0] if self._flight else until + 1
            moment = min([arrival, *wakes])
            if moment > until:
                break
            self.now = max(self.now, moment)
            if arrival <= self.now:
                self._carry()
            else:
                self._wake()
        self.now = until

    def _wake(self) -> None:
        for peer in list(self.peers.values()):
            peer.do(lambda one: one.on_wake(self.now))

    def _carry(self) -> None:
        arrival, _, source, name, is_broadcast, data = heapq.heappop(self._flight)
        self.now = max(self.now, arrival)
        peer = self.peers.get(name)
        if peer is None or not self.reaches(source, name):
            return

        def receive(allocator: Allocator) -> None:
            try:
                if is_broadcast:
                    allocator.on_broadcast(source, data, self.now)
                else:
                    allocator.on_unicast(source, data, self.now)
            except RemoteProtocolError as problem:  # ends a connection in the mesh
                self.problems.append(f"{name & 0xFF} from {source & 0xFF}: {problem}")

        peer.do(receive)

    # What must hold always

    def check(self) -> None:
        """No address is in use twice, or where the ring has it elsewhere; none that was promised is gone."""
        used: dict[int, str] = {}
        for peer in self.peers.values():
            owned = {cidr.address: ident for ident, cidrs in peer.allocator.owned().items() for cidr in cidrs}
            for address, ident in owned.items():
                assert address not in used, f"{address:#x} is used by {used[address]} and {ident}"
            used |= owned
            assert not peer.gone & set(owned.values()), "addresses that were given up are there again"
            for address, ident in peer.promised.items():
                assert address in owned, f"host{peer.number} promised {address:#x} to {ident} and lost it"
                assert ident in (owned[address], ANONYMOUS_OWNER)
            ours = [
                Range(one.token, one.token + one.size)
                for one in peer.allocator.view().entries
                if one.peer == peer.name
            ]
            inside = [address for address in owned if address in self.range.network]
            assert all(any(address in stretch for stretch in ours) for address in inside)
        self._check_versions()

    def _check_versions(self) -> None:
        """Nobody has seen a higher version of what is a peer's own: the peer would use that version twice."""
        views = {name: peer.allocator.view().entries for name, peer in self.peers.items()}
        own = {
            (name, one.token): one.version
            for name, entries in views.items()
            for one in entries
            if one.peer == name
        }
        for entries in views.values():
            for one in entries:
                known = own.get((one.peer, one.token), one.version)
                assert one.version <= known, f"{one.nickname} forgot a version"
