"""What must hold of the allocator whatever others send: read off the specification ipam, sections 2 to 8."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.allocators import FakeAllocatorMesh, FakePeer
from weave_cli.addresses import Cidr, Range, parse_address, parse_cidr
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.ipam.allocator import Allocator, Setup
from weave_cli.router.ipam.ring import Entry, Ring
from weave_cli.router.ipam.shapes import State, decode_state, encode_range, encode_state

START = parse_address("10.32.0.0")
WHOLE = parse_cidr("10.32.0.0/26")
ONE, TWO, THREE = (PeerName(0x7A0000000000 + number) for number in (1, 2, 3))


def seeded(*names: PeerName) -> tuple[FakeAllocatorMesh, FakePeer, FakePeer]:
    """Two peers that know how the range is divided from the start."""
    mesh = FakeAllocatorMesh(1)
    return mesh, mesh.add(1, Setup(seeds=names)), mesh.add(2, Setup(seeds=names))


def said(peer: FakePeer) -> State:
    """What a peer would gossip now."""
    return decode_state(peer.allocator.encode_state(peer.mesh.now))


def ring_of(peer: FakePeer) -> Ring:
    ring = said(peer).ring
    assert ring is not None
    return ring


def hear(peer: FakePeer, entries: list[Entry], *, source: PeerName = THREE) -> None:
    """A ring of somebody else's making comes in."""
    state = State(now=int(peer.mesh.now), sender=source, ring=Ring(WHOLE.network, entries))
    hear_octets(peer, encode_state(state), source=source)


def hear_octets(peer: FakePeer, octets: bytes, *, source: PeerName = TWO) -> None:
    def receive(allocator: Allocator) -> None:
        allocator.on_broadcast(source, octets, peer.mesh.now)

    peer.do(receive)


def in_flight(mesh: FakeAllocatorMesh) -> list[tuple[PeerName, bytes]]:
    """Messages on their way, with whom they are for; they are lost."""
    messages = [(to, data) for _, _, _, to, _, data in sorted(mesh._flight)]
    mesh._flight.clear()
    return messages


def check_honesty(peer: FakePeer) -> None:
    """Own ranges = used + free, and Free says exactly that: a Go peer that hears more ends the connection."""
    ring = ring_of(peer)
    ring.check()
    used = [cidr.address for cidrs in peer.allocator.owned().values() for cidr in cidrs]
    for index, entry in enumerate(ring.entries):
        if entry.peer == peer.name:
            in_use = sum(address in part for part in ring.stretches_of(index) for address in used)
            assert entry.free == ring.size_of(index) - in_use


# What is said before there is a ring


def test_electors_say_an_empty_election_and_observers_none() -> None:
    mesh = FakeAllocatorMesh(1)
    elector, observer = mesh.add(1, Setup(peer_count=2)), mesh.add(2, Setup(is_observer=True))
    assert (said(elector).paxos, said(elector).ring) == ({}, None)
    assert (said(observer).paxos, said(observer).ring) == (None, None)


def test_with_a_ring_nobody_speaks_of_elections() -> None:
    mesh, one, _ = seeded(ONE, TWO)
    observer = mesh.add(3, Setup(is_observer=True))
    mesh.gossip()
    assert said(one).paxos is None
    assert said(observer).paxos is None
    assert ring_of(observer).entries == ring_of(one).entries


def test_observer_s_question_starts_the_election_of_others() -> None:
    mesh = FakeAllocatorMesh(1)
    elector, observer = mesh.add(1, Setup(peer_count=1)), mesh.add(2, Setup(is_observer=True))
    number = observer.wait_for_ring()
    mesh.deliver()
    assert {entry.peer for entry in ring_of(elector).entries} == {ONE}
    assert number in observer.answers


def test_question_by_gossip_alone_starts_nothing() -> None:
    # Tag 4 names the neighbour, not who asks (section 3.3, 5).
    mesh = FakeAllocatorMesh(1)
    elector, observer = mesh.add(1, Setup(peer_count=1)), mesh.add(2, Setup(is_observer=True))
    elector.do(lambda one: one.on_gossip(observer.allocator.encode_state(mesh.now), mesh.now))
    assert said(elector).ring is None


# Claims


def test_claim_that_was_answered_early_holds_once_there_is_a_ring() -> None:
    mesh = FakeAllocatorMesh(1)
    peer = mesh.add(1, Setup(peer_count=2))
    number = peer.claim("c1", "10.32.0.1/26", early=True)
    mesh.deliver()
    assert peer.answers == {number: parse_cidr("10.32.0.1/26")}
    assert peer.allocator.owned() == {}
    hear(peer, [Entry(token=START, peer=ONE, free=64)])
    other = peer.allocate("c2")
    mesh.deliver()
    assert peer.allocator.owned()["c1"] == [parse_cidr("10.32.0.1/26")]
    assert peer.answers[other] == parse_cidr("10.32.0.2/26")
    assert list(peer.answers) == [number, other]


def test_cancelled_claims_and_waits_are_forgotten() -> None:
    mesh = FakeAllocatorMesh(1)
    peer = mesh.add(1, Setup(peer_count=2))
    late = peer.claim("c1", "10.32.0.1/26")
    prime = peer.wait_for_ring()
    for number in (late, prime, 99):
        peer.allocator.cancel(number, mesh.now)
    hear(peer, [Entry(token=START, peer=ONE, free=64)])
    mesh.deliver()
    assert (peer.answers, peer.allocator.owned()) == ({}, {})


# Rings that come in


def test_own_state_that_comes_back_changes_nothing() -> None:
    mesh, one, two = seeded(ONE, TWO)
    old = one.allocator.encode_state(mesh.now)
    one.allocate("c1")
    for echo in (old, one.allocator.encode_state(mesh.now)):
        before = ring_of(one)
        hear_octets(one, echo)
        assert ring_of(one) == before
    check_honesty(one)
    assert one.allocator.owned() == {"c1": [parse_cidr("10.32.0.1/26")]}
    assert two.allocator.owned() == {}


def test_newer_news_of_our_own_are_outrun() -> None:
    _, one, _ = seeded(ONE, TWO)
    one.allocate("c1")
    own, other = ring_of(one).entries
    hear(one, [replace(own, version=own.version + 7, free=3), other])
    entry = ring_of(one).entries[0]
    assert entry.version > own.version + 7
    check_honesty(one)


def test_space_that_comes_over_is_used_at_once_and_never_what_is_in_use() -> None:
    mesh, one, two = seeded(TWO)
    waiting = one.allocate("c1")
    hear(one, [Entry(token=START, peer=ONE, version=1, free=8), Entry(token=START + 8, peer=TWO, free=56)])
    assert one.allocator.owned() == {"c1": [parse_cidr("10.32.0.1/26")]}
    hear(
        one,
        [
            ring_of(one).entries[0],
            Entry(token=START + 8, peer=ONE, version=1, free=8),
            Entry(token=START + 16, peer=TWO, free=48),
        ],
    )
    check_honesty(one)
    mesh.deliver()
    assert waiting in one.answers
    assert two.allocator.owned() == {}


def test_unused_space_is_yielded_and_never_given_out_again() -> None:
    _, one, _ = seeded(ONE, TWO)
    one.allocate("c1")
    own, other = ring_of(one).entries
    hear(one, [replace(own, free=15), Entry(token=START + 16, peer=THREE, free=16), other])
    check_honesty(one)
    for count in range(20):
        one.allocate(f"more{count}")
    given = [cidr.address for cidrs in one.allocator.owned().values() for cidr in cidrs]
    assert all(address in Range(START, START + 16) for address in given)
    check_honesty(one)


@pytest.mark.parametrize("token", [0, 1, 5])
def test_ring_that_takes_used_space_is_refused_and_changes_nothing(token: int) -> None:
    _, one, _ = seeded(ONE, TWO)
    for count in range(8):
        one.allocate(f"c{count}")
    own, other = ring_of(one).entries
    taken = Entry(token=START + token, peer=THREE, version=99, free=1)
    before, books = ring_of(one), one.allocator.owned()
    with pytest.raises(RemoteProtocolError):
        hear(one, [*([replace(own, free=0)] if token else []), taken, other])
    assert (ring_of(one), one.allocator.owned()) == (before, books)
    check_honesty(one)


@pytest.mark.parametrize("free", [33, 1 << 31])
def test_ring_that_promises_too_much_is_refused(free: int) -> None:
    _, one, _ = seeded(ONE, TWO)
    before = ring_of(one)
    with pytest.raises(RemoteProtocolError, match="reporting too much free space"):
        hear(one, [before.entries[0], replace(before.entries[1], version=5, free=free)])
    assert ring_of(one) == before


# Giving


def test_everything_that_is_ever_said_is_honest() -> None:
    mesh = FakeAllocatorMesh(3)
    peers = [mesh.add(number, Setup(seeds=(ONE, TWO))) for number in (1, 2, 3)]
    for step in range(150):
        peer = mesh.rng.choice(peers)
        owners = list(peer.allocator.owned())
        if owners and mesh.rng.random() < 0.4:
            peer.delete(mesh.rng.choice(owners))
        else:
            peer.allocate(f"c{step}")
        check_honesty(peer)
        mesh.deliver()
        for one in peers:
            check_honesty(one)
    assert mesh.problems == []


def test_donor_answers_with_its_ring_even_when_it_denies() -> None:
    mesh, one, two = seeded(ONE, TWO)
    for count in range(31):
        one.allocate(f"c{count}")
    mesh.deliver()
    two.claim("x", "10.32.0.5/26")
    ((to, request),) = in_flight(mesh)
    assert to == ONE
    one.do(lambda donor: donor.on_unicast(TWO, request, mesh.now))
    assert [(to, data[0]) for to, data in in_flight(mesh)] == [(TWO, 2), (TWO, 1)]


def test_space_request_before_there_is_a_ring_is_not_answered() -> None:
    mesh, _, two = seeded(TWO)
    ringless = mesh.add(3, Setup(peer_count=5))
    ringless.claim("x", "10.32.0.5/26")
    in_flight(mesh)
    ringless.do(lambda one: one.on_unicast(TWO, b"\0" + encode_range_of(1), mesh.now))
    assert in_flight(mesh) == []
    assert two.allocator.owned() == {}


def encode_range_of(offset: int) -> bytes:
    return encode_range(Range(START + offset, START + offset + 1))


# Leaving and taking over


def test_everything_asked_of_a_peer_that_leaves_is_cancelled_once() -> None:
    mesh = FakeAllocatorMesh(1)
    peer = mesh.add(1, Setup(peer_count=2))
    numbers = [
        peer.allocate("c1"),
        peer.claim("c2", "10.32.0.5/26"),
        peer.wait_for_ring(),
    ]
    early = peer.claim("c3", "10.32.0.6/26", early=True)
    peer.leave()
    numbers += [
        peer.allocate("late"),
        peer.claim("late", "10.32.0.7/26", early=True),
        peer.wait_for_ring(),
    ]
    assert peer.answers == dict.fromkeys(numbers, "cancelled") | {early: parse_cidr("10.32.0.6/26")}


def test_peer_that_left_gives_nothing_away_and_takes_nothing() -> None:
    mesh, one, two = seeded(ONE, TWO)
    one.leave()
    mesh.deliver()
    assert {entry.peer for entry in ring_of(two).entries} == {TWO}
    assert one.take_over("host2") == 0
    one.do(lambda gone: gone.on_unicast(TWO, b"\0" + encode_range_of(1), mesh.now))
    assert {entry.peer for entry in ring_of(one).entries} == {TWO}
    check_honesty(two)


def test_range_of_a_dead_peer_is_taken_over_with_versions_that_win() -> None:
    mesh, one, two = seeded(ONE, TWO)
    two.allocate("c1")
    mesh.gossip()
    before = ring_of(one).entries[1]
    del mesh.peers[TWO]
    assert one.take_over("host2") == 32
    after = ring_of(one).entries[1]
    assert (after.peer, after.version > before.version + 99, after.free) == (ONE, True, 32)
    check_honesty(one)
    assert one.take_over("host1") == 0
    assert one.take_over("7a::9") == 0


def test_taken_over_peer_that_lives_keeps_what_it_uses() -> None:
    mesh, one, two = seeded(ONE, TWO)
    number = two.allocate("c1")
    mesh.gossip()
    assert isinstance(two.answers[number], Cidr)
    mesh.cut([one], [two])
    assert one.take_over("host2") == 32
    mesh.deliver()
    mesh.cut()
    mesh.gossip()
    assert any("Received update for IP range I own" in problem for problem in mesh.problems)
    assert two.allocator.owned() == {"c1": [two.answers[number]]}
    check_honesty(two)
