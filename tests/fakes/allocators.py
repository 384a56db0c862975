"""Allocators that talk through a queue instead of a mesh, with journals that survive their crashes."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.ipam.allocator import Allocator, Saved, Setup
from weave_cli.router.ipam.books import Holding
from weave_cli.router.ipam.requests import Answered, Cancelled, Refused
from weave_cli.router.ipam.ring import Ring
from weave_cli.router.mesh.gossip import GossipData


@dataclass
class FakeJournal:
    """Notes changes; `committed` is what a crash leaves."""

    ring: Ring | None = None
    owned: dict[int, tuple[str, Cidr, bool]] = field(default_factory=dict)
    committed: Saved = field(default_factory=Saved)
    commits: int = 0

    def save_ring(self, ring: Ring) -> None:
        self.ring = ring

    def add_owned(self, ident: str, cidr: Cidr, is_container: bool) -> None:
        self.owned[cidr.address] = (ident, cidr, is_container)

    def remove_owned(self, cidr: Cidr) -> None:
        self.owned.pop(cidr.address, None)

    def commit(self) -> None:
        ring = self.ring and Ring(self.ring.whole, self.ring.entries, self.ring.seeds)
        holdings: dict[str, Holding] = {}
        for ident, cidr, is_container in self.owned.values():
            holdings.setdefault(ident, Holding(is_container)).cidrs.append(cidr)
        self.committed = Saved(ring, holdings)
        self.commits += 1


class FakePeer:
    """One allocator with its journal, its outgoing messages and its answers."""

    def __init__(self, mesh: FakeAllocatorMesh, number: int, setup: Setup, saved: Saved) -> None:
        self.mesh = mesh
        self.name = PeerName(0x7A0000000000 + number)
        self.journal = FakeJournal(
            ring=saved.ring,
            owned={
                cidr.address: (ident, cidr, one.is_container)
                for ident, one in saved.holdings.items()
                for cidr in one.cidrs
            },
            committed=saved,
        )
        self.outbox: deque[tuple[PeerName | None, bytes | GossipData]] = deque()
        self.answers: dict[int, Cidr | str | None] = {}
        self.allocator = Allocator(
            name=self.name,
            uid=mesh.rng.randrange(1, 1 << 32),
            nickname=f"host{number}",
            whole=mesh.range.network,
            default_subnet=mesh.range,
            setup=setup,
            journal=self.journal,
            saved=saved,
            directory=mesh,
            rng=mesh.rng,
        )
        self.allocator.attach(self)

    # The role Channel

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        if not self.mesh.reaches(self.name, destination):
            return False
        self.outbox.append((destination, data))
        return True

    def broadcast(self, data: GossipData) -> None:
        self.outbox.append((None, data))

    def gossip(self, data: GossipData) -> None:
        self.outbox.append((None, data))

    def settle(self) -> list[tuple[PeerName | None, bytes]]:
        """Commit, then take answers and messages, as the router's pump does."""
        self.journal.commit()
        while event := self.allocator.next_event():
            match event:
                case Answered(request=request, cidr=cidr):
                    self.answers[request] = cidr
                case Refused(request=request, reason=reason):
                    self.answers[request] = reason
                case Cancelled(request=request):
                    self.answers[request] = "cancelled"
        sent = [
            (to, data if isinstance(data, bytes) else data.encode(self.mesh.now)) for to, data in self.outbox
        ]
        self.outbox.clear()
        return sent


class FakeAllocatorMesh:
    """Peers that hear each other unless cut apart; messages may be lost."""

    def __init__(self, seed: int, *, whole: str = "10.32.0.0/26", loss: float = 0.0) -> None:
        self.rng = random.Random(seed)
        self.range = parse_cidr(whole)
        self.loss = loss
        self.now = 1_700_000_000.0
        self.peers: dict[PeerName, FakePeer] = {}
        self.groups: list[set[PeerName]] = []
        self.problems: list[str] = []
        self._next_request = 1

    def add(self, number: int, setup: Setup | None = None, saved: Saved | None = None) -> FakePeer:
        peer = FakePeer(self, number, setup or Setup(), saved or Saved())
        self.peers[peer.name] = peer
        return peer

    def restart(self, peer: FakePeer) -> FakePeer:
        """The peer dies at once; another one starts from what was committed."""
        return self.add(peer.name & 0xFF, saved=peer.journal.committed)

    # The role PeerDirectory

    def is_known(self, name: PeerName) -> bool:
        return name in self.peers

    def nickname_of(self, name: PeerName) -> str:
        return f"host{name & 0xFF}"

    def reaches(self, one: PeerName, other: PeerName) -> bool:
        together = not self.groups or any({one, other} <= group for group in self.groups)
        return other in self.peers and together

    def ask(self, act: Callable[[int], None]) -> int:
        """Start an operation under a number of its own."""
        request = self._next_request
        self._next_request += 1
        act(request)
        return request

    def allocate(self, peer: FakePeer, ident: str) -> int:
        return self.ask(
            lambda number: peer.allocator.allocate(
                number, ident, self.range, is_container=False, now=self.now
            )
        )

    def deliver(self, rounds: int = 50) -> None:
        """Carry messages until nobody has any."""
        for _ in range(rounds):
            carried = False
            for peer in list(self.peers.values()):
                for to, data in peer.settle():
                    carried = True
                    self._carry(peer.name, to, data)
            if not carried:
                return

    def gossip(self) -> None:
        """Everybody's periodic gossip, once."""
        for peer in list(self.peers.values()):
            state = peer.allocator.complete_state(self.now)
            peer.broadcast(state)
        self.deliver()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for peer in list(self.peers.values()):
            peer.allocator.on_wake(self.now)
        self.deliver()

    def _carry(self, source: PeerName, to: PeerName | None, data: bytes) -> None:
        for name, peer in list(self.peers.items()):
            wanted = name == to if to is not None else name != source
            if not wanted or not self.reaches(source, name) or self.rng.random() < self.loss:
                continue
            try:
                if to is None:
                    peer.allocator.on_broadcast(source, data, self.now)
                else:
                    peer.allocator.on_unicast(source, data, self.now)
            except RemoteProtocolError as problem:  # ends a connection in the mesh
                self.problems.append(f"{name & 0xFF} from {source & 0xFF}: {problem}")

    def check(self) -> None:
        """No address is in use twice."""
        used: dict[int, str] = {}
        for peer in self.peers.values():
            for ident, cidrs in peer.allocator.owned().items():
                for cidr in cidrs:
                    assert cidr.address not in used, f"{cidr} is used by {used[cidr.address]} and {ident}"
                    used[cidr.address] = ident
