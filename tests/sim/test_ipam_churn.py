"""Allocators under loss, partitions and crashes: no address twice, none lost in the end."""

from __future__ import annotations

import pytest

from tests.fakes.allocators import FakeAllocatorMesh, FakePeer
from weave_cli.addresses import Cidr


@pytest.mark.parametrize("seed", range(50))
def test_no_address_is_given_twice(seed: int) -> None:
    mesh = FakeAllocatorMesh(seed, loss=0.2)
    first = mesh.add(1)
    mesh.ask(lambda number: first.allocator.wait_for_ring(number, mesh.now))
    mesh.deliver()
    peers = [first, *(mesh.add(number) for number in range(2, 6))]
    mesh.loss = 0.0
    mesh.gossip()
    for step in range(60):
        mesh.loss = 0.2
        _take_step(mesh, peers, f"s{step}")
        mesh.deliver()
        mesh.check()
    mesh.groups, mesh.loss = [], 0.0
    for _ in range(6):
        mesh.gossip()
        mesh.wait(5)
    mesh.check()
    entries = {tuple(peer.allocator.view().entries) for peer in peers}
    assert len({tuple((one.token, one.peer) for one in view) for view in entries}) == 1, "rings differ"


def _take_step(mesh: FakeAllocatorMesh, peers: list[FakePeer], ident: str) -> None:
    at = mesh.rng.randrange(len(peers))
    match mesh.rng.randrange(8):
        case 0 | 1 | 2:
            mesh.allocate(peers[at], ident)
        case 3:
            owned = list(peers[at].allocator.owned())
            if owned:
                peers[at].allocator.delete(mesh.rng.choice(owned), mesh.now)
        case 4:
            peers[at] = mesh.restart(peers[at])
        case 5:
            names = {peer.name for peer in peers}
            apart = {peers[at].name}
            mesh.groups = [apart, names - apart] if mesh.rng.random() < 0.5 else []
        case 6:
            mesh.gossip()
        case 7:
            mesh.wait(5)


def test_whole_range_can_be_used_up_by_any_peers() -> None:
    mesh = FakeAllocatorMesh(7)
    first = mesh.add(1)
    mesh.ask(lambda number: first.allocator.wait_for_ring(number, mesh.now))
    mesh.deliver()
    peers = [first, mesh.add(2), mesh.add(3)]
    mesh.gossip()
    numbers = [(peers[count % 3], mesh.allocate(peers[count % 3], f"c{count}")) for count in range(62)]
    for _ in range(30):
        mesh.deliver()
        mesh.wait(5)
    given = [peer.answers.get(number) for peer, number in numbers]
    assert all(isinstance(one, Cidr) for one in given)
    assert len(set(given)) == 62
    mesh.check()
