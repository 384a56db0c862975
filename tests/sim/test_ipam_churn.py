"""Ten allocators under delay, loss, partitions and crashes: no address twice, none lost in the end."""

from __future__ import annotations

import pytest

from tests.fakes.allocators import FakeAllocatorMesh, FakePeer
from weave_cli.addresses import Cidr
from weave_cli.names import PeerName
from weave_cli.router.ipam.allocator import Setup

pytestmark = pytest.mark.sim

PEERS = 10
USABLE = 62  # of the /26


def quiet(mesh: FakeAllocatorMesh) -> None:
    """No more trouble, and time enough for everybody to hear everything."""
    mesh.cut()
    mesh.loss = 0.0
    for _ in range(3):
        mesh.gossip()
        mesh.wait(11)


def owners(peer: FakePeer) -> list[tuple[int, PeerName]]:
    return [(one.token, one.peer) for one in peer.allocator.view().entries]


def elect(mesh: FakeAllocatorMesh) -> list[FakePeer]:
    """All begin at once, hardly hearing each other, until they agree on one ring."""
    peers = [mesh.add(number, Setup(peer_count=PEERS)) for number in range(1, PEERS + 1)]
    for peer in peers:
        peer.wait_for_ring()
    mesh.wait(20)
    if mesh.rng.random() < 0.5:
        mesh.rng.choice(peers).start()
    quiet(mesh)
    assert owners(peers[0])
    assert all(owners(peer) == owners(peers[0]) for peer in peers)
    assert mesh.problems == []
    return peers


def take_step(mesh: FakeAllocatorMesh, peers: list[FakePeer], ident: str) -> None:
    peer = mesh.rng.choice(peers)
    owned = list(peer.allocator.owned())
    match mesh.rng.randrange(12):
        case 0 | 1 | 2 | 3:
            peer.allocate(ident)
        case 4 if owned:
            peer.delete(mesh.rng.choice(owned))
        case 5:
            peer.claim(ident, f"10.32.0.{mesh.rng.randrange(1, 63)}/26")
        case 6:
            peer.start()
        case 7:
            peer.journal.crash_at = peer.journal.calls + mesh.rng.randrange(1, 12)
        case 8:
            apart = mesh.rng.sample(peers, mesh.rng.randrange(1, PEERS))
            mesh.cut(apart, [one for one in peers if one not in apart])
        case 9:
            mesh.cut()
        case 10:
            mesh.gossip()
        case _:
            mesh.wait(mesh.rng.random() * 8)


@pytest.mark.parametrize("seed", range(50))
def test_no_address_is_given_twice(seed: int) -> None:
    mesh = FakeAllocatorMesh(seed, loss=0.3, delay_s=2.0)
    peers = elect(mesh)
    mesh.loss = 0.2
    for step in range(40):
        take_step(mesh, peers, f"s{step}")
        mesh.check()
    for peer in peers:
        peer.journal.crash_at = None
    quiet(mesh)
    mesh.check()
    assert all(owners(peer) == owners(peers[0]) for peer in peers), "rings differ"
    assert mesh.problems == [], "honest peers never quarrel"


@pytest.mark.parametrize("seed", range(3))
def test_whole_range_is_used_up_whoever_is_asked(seed: int) -> None:
    mesh = FakeAllocatorMesh(seed, delay_s=0.1)
    peers = elect(mesh)
    numbers = [
        (peer, peer.allocate(f"c{count}")) for count in range(USABLE) for peer in [mesh.rng.choice(peers)]
    ]
    mesh.wait(200)
    given = [peer.answers.get(number) for peer, number in numbers]
    assert all(isinstance(one, Cidr) for one in given)
    assert len(set(given)) == USABLE
    mesh.check()
    late = peers[0].allocate("late")
    mesh.wait(20)
    assert late not in peers[0].answers
    giver, number = numbers[0]
    giver.delete("c0")
    mesh.gossip()  # which tells who has free space
    mesh.wait(20)
    assert peers[0].answers[late] == giver.answers[number]
