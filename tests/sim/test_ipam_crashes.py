"""A crash at every single point where the journal is written: what was told to anybody still holds."""

from __future__ import annotations

import pytest

from tests.fakes.allocators import FakeAllocatorMesh, FakePeer, copy_of
from weave_cli.names import PeerName
from weave_cli.router.ipam.allocator import Setup

pytestmark = pytest.mark.sim


def start() -> tuple[FakeAllocatorMesh, FakePeer, FakePeer, FakePeer]:
    """Three hosts; the first has divided the range, alone."""
    mesh = FakeAllocatorMesh(1, whole="10.32.0.0/27")
    one = mesh.add(1)
    one.wait_for_ring()
    two, three = mesh.add(2), mesh.add(3)
    mesh.gossip()
    return mesh, one, two, three


def live(mesh: FakeAllocatorMesh, one: FakePeer, two: FakePeer, three: FakePeer) -> None:
    """All that changes rings and books: allocations, donations, claims, deletions, a takeover."""
    for ident in ("a", "b"):
        for peer in (one, two, three):
            peer.allocate(f"{ident}{peer.number}")
            mesh.deliver()
    two.claim("claimed", "10.32.0.9/27")
    three.claim("outside", "192.168.0.1/24")
    mesh.deliver()
    if "a1" in one.allocator.owned():
        one.delete("a1")
    for count in range(14):
        two.allocate(f"many{count}")
    mesh.wait(12)
    del mesh.peers[three.name]
    two.take_over("host3")
    mesh.wait(6)
    one.allocate("last")
    mesh.wait(6)
    mesh.gossip()


def calls_of(index: int) -> int:
    mesh, *peers = start()
    first = peers[index].journal.calls
    live(mesh, peers[0], peers[1], peers[2])
    return peers[index].journal.calls - first


@pytest.mark.parametrize("index", [0, 1, 2])
def test_nothing_told_is_forgotten_wherever_a_peer_crashes(index: int) -> None:
    points = calls_of(index)
    assert points > 8
    for point in range(1, points + 1):
        mesh, *peers = start()
        victim = peers[index]
        victim.journal.crash_at = victim.journal.calls + point
        live(mesh, peers[0], peers[1], peers[2])
        # The dead peer's addresses went to another by the operator's word; the living must agree.
        mesh.check()
        assert victim.crashes == 1
        assert mesh.problems == []


def came_back_old(*, used: int) -> tuple[FakeAllocatorMesh, FakePeer, FakePeer]:
    """The first of two owners comes back with a journal from before it gave space to a third host.

    Before it hears of the others again it gives out `used` addresses.
    """
    mesh = FakeAllocatorMesh(1)
    names = (PeerName(0x7A0000000001), PeerName(0x7A0000000002))
    one, two, three = mesh.add(1, Setup(seeds=names)), mesh.add(2, Setup(seeds=names)), mesh.add(3)
    mesh.gossip()
    old = copy_of(one.journal.committed)
    mesh.cut([one, three], [two])
    three.allocate("theirs")
    mesh.deliver()
    assert three.allocator.owned()
    mesh.cut([one], [two, three])
    one.journal.committed = old
    one.start()
    for count in range(used):
        one.allocate(f"c{count}")
    mesh.deliver()
    mesh.cut()
    mesh.gossip()
    return mesh, one, three


def test_journal_from_before_a_grant_yields_where_nothing_is_used() -> None:
    mesh, one, three = came_back_old(used=3)
    assert {entry.peer for entry in one.allocator.view().entries} > {three.name}
    # Until it had heard of that, it told everybody of more free space than the others had left it.
    mesh.gossip()
    mesh.problems.clear()
    for count in range(30):
        one.allocate(f"late{count}")
    mesh.wait(20)
    mesh.check()
    assert mesh.problems == []


def test_journal_from_before_a_grant_quarrels_in_the_open_where_addresses_are_used() -> None:
    mesh, one, three = came_back_old(used=25)
    assert any("which I think I own" in problem for problem in mesh.problems)
    before = one.allocator.owned(), three.allocator.owned()
    mesh.gossip()
    assert (one.allocator.owned(), three.allocator.owned()) == before, "nobody gives in silently"
