"""When an allocator begins an election, who follows, and how often it asks."""

from __future__ import annotations

import pytest

from tests.fakes.allocators import FakeAllocatorMesh, FakePeer
from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.ipam.allocator import Setup
from weave_cli.router.ipam.consensus import NodeId
from weave_cli.router.ipam.election import Election
from weave_cli.router.ipam.nicknames import Nicknames
from weave_cli.router.ipam.shapes import decode_state

US, OTHER, THIRD = PeerName(1), PeerName(2), PeerName(3)


@pytest.mark.parametrize(
    ("peer_count", "targets", "quorum"), [(1, 9, 1), (2, 0, 2), (3, 0, 2), (0, 0, 1), (0, 3, 3)]
)
def test_quorum_is_more_than_half(peer_count: int, targets: int, quorum: int) -> None:
    assert Setup(peer_count=peer_count, count_targets=lambda: targets).quorum() == quorum


def test_targets_are_counted_when_the_election_begins() -> None:
    targets = [0]
    election = Election(NodeId(US, 1), Setup(count_targets=lambda: targets[0]))
    targets[0] = 4
    election.propose()
    assert election.quorum == 3
    assert election.decision() is None


def test_observer_shows_no_claims_and_hears_none() -> None:
    election = Election(NodeId(US, 1), Setup(is_observer=True))
    election.propose()
    voter = Election(NodeId(OTHER, 2), Setup(peer_count=1))
    voter.propose()
    assert election.claims_to_send() is None
    assert not election.follow(voter.claims_to_send() or {})
    assert election.decision() is None


def broadcasts_of(mesh: FakeAllocatorMesh, peer: FakePeer) -> list[bytes]:
    """What a peer sends to all from now on; nothing of it arrives."""
    sent: list[bytes] = []
    original = mesh.post

    def post(source: PeerName, to: PeerName | None, data: bytes) -> None:
        if source == peer.name and to is None:
            sent.append(data)
        else:
            original(source, to, data)

    mesh.post = post  # type: ignore[method-assign]
    return sent


def test_allocators_that_nobody_asks_stay_silent() -> None:
    mesh = FakeAllocatorMesh(1)
    peer = mesh.add(1)
    sent = broadcasts_of(mesh, peer)
    mesh.wait(60)
    assert sent == []
    assert not peer.allocator.view().is_electing


def test_waiting_allocator_proposes_again_after_five_seconds_and_then_ever_more_rarely() -> None:
    mesh = FakeAllocatorMesh(1)
    peer = mesh.add(1, Setup(peer_count=3))
    sent = broadcasts_of(mesh, peer)
    peer.allocate("c")
    mesh.wait(6)
    rounds = [max(one.promise.round for one in (decode_state(data).paxos or {}).values()) for data in sent]
    assert rounds == [1, 2]
    mesh.wait(1000)
    assert 20 < len(sent) < 60


def test_observer_that_asks_again_and_again_begins_one_election() -> None:
    mesh = FakeAllocatorMesh(1)
    elector = mesh.add(1, Setup(peer_count=3))
    observer = mesh.add(2, Setup(is_observer=True))
    observer.wait_for_ring()
    mesh.wait(1)
    sent = broadcasts_of(mesh, elector)
    for _ in range(4):
        observer.do(lambda allocator: observer.broadcast(allocator.complete_state(mesh.now)))
        mesh.wait(0.5)
    assert sent == []
    assert elector.allocator.view().is_electing


def test_voter_with_a_request_of_its_own_proposes_at_once() -> None:
    mesh = FakeAllocatorMesh(1)
    one, two = mesh.add(1, Setup(peer_count=5)), mesh.add(2, Setup(peer_count=5))
    one.allocate("c")
    mesh.deliver()
    assert not two.allocator.view().is_electing
    sent = broadcasts_of(mesh, two)
    two.allocate("d")
    assert len(sent) == 1
    assert two.allocator.view().is_electing


def test_state_without_a_ring_is_answered_with_the_ring_but_only_to_somebody() -> None:
    mesh = FakeAllocatorMesh(1)
    one, newcomer = mesh.add(1), mesh.add(2)
    one.wait_for_ring()
    empty = newcomer.allocator.encode_state(mesh.now)
    mesh.cut([one], [newcomer])
    mesh.deliver()
    mesh.cut()
    one.do(lambda allocator: allocator.on_gossip(empty, mesh.now))
    mesh.deliver()
    assert newcomer.allocator.view().entries == ()
    one.do(lambda allocator: allocator.on_unicast(newcomer.name, b"\x01" + empty, mesh.now))
    mesh.deliver()
    assert newcomer.allocator.view().entries == one.allocator.view().entries


def test_nickname_of_a_dead_predecessor_means_the_dead_one() -> None:
    nicknames = Nicknames(US, "host1")
    nicknames.learn({OTHER: "host1", THIRD: "host1", US: "liar"})
    assert nicknames.of(US) == "host1"
    assert nicknames.find("host1", lambda name: name in (US, OTHER)) == THIRD
    assert nicknames.find(format_peer_name(PeerName(9)), lambda name: True) == 9
    assert nicknames.find("nobody", lambda name: True) is None


def test_nicknames_of_owners_and_of_ourselves_are_kept() -> None:
    nicknames = Nicknames(US, "host1")
    nicknames.learn({OTHER: "host2", THIRD: "host3"})
    nicknames.forget([US, OTHER, THIRD], but=[OTHER])
    assert nicknames.as_dict() == {US: "host1", OTHER: "host2"}
    assert nicknames.label(THIRD) == "00:00:00:00:00:03"
