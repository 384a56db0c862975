"""A few allocators with real databases, which ask, claim, give and take at random."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path
from typing import Final

from weave_cli.addresses import parse_cidr
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.ipam.allocator import Allocator, Setup
from weave_cli.router.ipam.ring import Entry
from weave_cli.router.ipam.shapes import UnicastKind, decode_state
from weave_cli.router.ipam.territory import Saved
from weave_cli.router.mesh.gossip import GossipData
from weave_cli.router.runtime.store import Store

_RANGE: Final = parse_cidr("10.32.0.0/25")


class StoredPeer:
    """An allocator and its database; plays the channel."""

    def __init__(self, mesh: StoredMesh, number: int, path: Path) -> None:
        self.name = PeerName(0x7A0000000000 + number)
        self.path = path
        self.store = Store(path)
        self.store.save_peer_name(self.name)
        self.outbox: deque[tuple[PeerName | None, bytes | GossipData]] = deque()
        self._mesh = mesh
        self.allocator = self._make(self.store.load(), self.store)
        self.allocator.attach(self)

    def restarted(self, saved: Saved) -> Allocator:
        """What a later life of this peer would be; its journal is lost."""
        return self._make(saved, _Nowhere())

    def ring_entries(self) -> list[Entry]:
        """The ring as the others hear it."""
        state = decode_state(self.allocator.encode_state(self._mesh.now))
        return state.ring.entries if state.ring else []

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        if data[0] == UnicastKind.SPACE_DENIED:
            self._mesh.seen.add("denial")
        self.outbox.append((destination, data))
        return True

    def broadcast(self, data: GossipData) -> None:
        self.outbox.append((None, data))

    def gossip(self, data: GossipData) -> None:
        self.outbox.append((None, data))

    def _make(self, saved: Saved, journal: Store | _Nowhere) -> Allocator:
        return Allocator(
            name=self.name,
            uid=7,
            nickname=f"host{self.name & 0xFF}",
            whole=_RANGE.network,
            default_subnet=_RANGE,
            setup=Setup(seeds=(PeerName(0x7A0000000001), PeerName(0x7A0000000002))),
            journal=journal,
            saved=saved,
            directory=self._mesh,
            rng=random.Random(self.name),
        )


class _Nowhere:
    """A journal that nobody reads."""

    def save_ring(self, ring: object) -> None: ...
    def add_owned(self, ident: str, cidr: object, is_container: bool) -> None: ...
    def remove_owned(self, cidr: object) -> None: ...


class StoredMesh:
    """Three peers of which two divide the range at first; plays the directory."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 1_700_000_000.0
        self.problems: list[str] = []
        self.seen: set[str] = set()
        self._requests = 0
        peers = [StoredPeer(self, number, directory / f"{number}.db") for number in (1, 2, 3)]
        self.peers = {peer.name: peer for peer in peers}

    def close(self) -> None:
        for peer in self.peers.values():
            peer.store.close()

    def is_known(self, name: PeerName) -> bool:
        return name in self.peers

    def nickname_of(self, name: PeerName) -> str:
        return f"host{name & 0xFF}"

    def has_seen(self, *words: str) -> bool:
        return set(words) <= self.seen

    def take_step(self) -> None:
        """One thing that happens to one peer."""
        peer = self.rng.choice(list(self.peers.values()))
        allocator = peer.allocator
        self._requests += 1
        number = self._requests
        match self.rng.randrange(6):
            case 0 | 1 | 2:
                allocator.allocate(number, f"c{number}", _RANGE, is_container=number % 2 == 0, now=self.now)
            case 3:
                cidr = parse_cidr(f"10.32.0.{self.rng.randrange(1, 127)}/25")
                allocator.claim(
                    number, f"c{number}", cidr, no_error_on_unknown=False, is_container=True, now=self.now
                )
            case 4:
                if owners := list(allocator.owned()):
                    allocator.delete(self.rng.choice(owners), self.now)
                    self.seen.add("release")
            case 5:
                self.now += 5
                peer.broadcast(allocator.complete_state(self.now))
                allocator.on_wake(self.now)

    def deliver(self) -> None:
        """Carry messages, each after a commit of its sender, until nobody has any."""
        while any(peer.outbox for peer in self.peers.values()):
            for peer in self.peers.values():
                peer.store.commit()
                while peer.outbox:
                    to, data = peer.outbox.popleft()
                    octets = data if isinstance(data, bytes) else data.encode(self.now)
                    self._carry(peer.name, to, octets)

    def _carry(self, source: PeerName, to: PeerName | None, octets: bytes) -> None:
        for name, peer in self.peers.items():
            if name == source or to not in (None, name):
                continue
            before, in_use = peer.ring_entries(), len(peer.allocator.owned())
            try:
                if to is None:
                    peer.allocator.on_broadcast(source, octets, self.now)
                else:
                    peer.allocator.on_unicast(source, octets, self.now)
            except RemoteProtocolError as problem:
                self.problems.append(str(problem))
            self._note_what_happened(octets, to, len(before) != len(peer.ring_entries()))
            self.seen |= {"use"} if len(peer.allocator.owned()) > in_use else set()

    def _note_what_happened(self, octets: bytes, to: PeerName | None, has_changed: bool) -> None:
        if has_changed:
            self.seen.add("merge" if to is None or octets[0] == UnicastKind.RING_UPDATE else "donation")
