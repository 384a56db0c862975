"""The allocator's operations, alone and between a few peers."""

from __future__ import annotations

import pytest

from tests.fakes.allocators import FakeAllocatorMesh, FakePeer
from weave_cli.addresses import Cidr, parse_address, parse_cidr
from weave_cli.errors import RemoteProtocolError, RouterProblem
from weave_cli.names import PeerName
from weave_cli.router.ipam.allocator import Saved, Setup


def one_peer(whole: str = "10.32.0.0/12") -> tuple[FakeAllocatorMesh, FakePeer]:
    mesh = FakeAllocatorMesh(1, whole=whole)
    return mesh, mesh.add(1)


def two_peers(whole: str = "10.32.0.0/26") -> tuple[FakeAllocatorMesh, FakePeer, FakePeer]:
    """The first peer owns the whole range, the second knows of it."""
    mesh = FakeAllocatorMesh(1, whole=whole)
    one = mesh.add(1)
    one.wait_for_ring()
    two = mesh.add(2)
    mesh.gossip()
    return mesh, one, two


def test_lowest_free_address_is_given_with_the_prefix_of_the_subnet() -> None:
    mesh, peer = one_peer()
    first, second = peer.allocate("c1"), peer.allocate("c2")
    mesh.deliver()
    assert peer.answers[first] == parse_cidr("10.32.0.1/12")
    assert peer.answers[second] == parse_cidr("10.32.0.2/12")


def test_same_owner_gets_the_same_address_again() -> None:
    mesh, peer = one_peer()
    first, second = peer.allocate("c1"), peer.allocate("c1")
    mesh.deliver()
    assert peer.answers[first] == peer.answers[second]


def test_anonymous_owners_are_filed_under_their_addresses() -> None:
    _, peer = one_peer()
    peer.allocate("_")
    peer.allocate("_")
    assert sorted(peer.allocator.owned()) == ["10.32.0.1", "10.32.0.2"]


def test_subnet_outside_the_range_is_refused() -> None:
    mesh, peer = one_peer()
    subnet = parse_cidr("192.168.0.0/24")
    number = peer.allocate("c", subnet)
    mesh.deliver()
    assert peer.answers[number] == "range 192.168.0.0/24 out of bounds: 10.32.0.0/12"


def test_first_and_last_address_of_a_subnet_are_never_given() -> None:
    mesh, peer = one_peer("10.32.0.0/30")
    numbers = [peer.allocate(f"c{count}") for count in range(3)]
    mesh.deliver()
    assert [peer.answers.get(number) for number in numbers] == [
        parse_cidr("10.32.0.1/30"),
        parse_cidr("10.32.0.2/30"),
        None,
    ]
    assert len(peer.allocator.view().pending_allocations) == 1


def test_freed_address_goes_to_who_waits() -> None:
    mesh, peer = one_peer("10.32.0.0/30")
    peer.allocate("a")
    peer.allocate("b")
    waiting = peer.allocate("c")
    mesh.deliver()
    peer.delete("a")
    mesh.deliver()
    assert peer.answers[waiting] == parse_cidr("10.32.0.1/30")


def test_cancelled_request_gets_nothing() -> None:
    mesh, peer = one_peer("10.32.0.0/30")
    peer.allocate("a")
    peer.allocate("b")
    waiting = peer.allocate("c")
    peer.do(lambda allocator: allocator.cancel(waiting, mesh.now))
    peer.delete("a")
    mesh.deliver()
    assert waiting not in peer.answers
    assert "c" not in peer.allocator.owned()


def test_errors_name_address_and_owner() -> None:
    mesh, peer = one_peer()
    peer.allocate("c1")
    with pytest.raises(RouterProblem, match=r"^Unable to free: Free: address 10\.33\.1\.9 not found for c1$"):
        peer.allocator.free("c1", parse_address("10.33.1.9"), mesh.now)
    peer.allocator.delete("c1", mesh.now)
    with pytest.raises(RouterProblem, match=r"^Delete: no addresses for c1$"):
        peer.allocator.delete("c1", mesh.now)


def test_claims_answer_as_the_specification_says() -> None:
    mesh, peer = one_peer()
    cases = [
        ("c3", "10.32.0.77/12", parse_cidr("10.32.0.77/12")),
        ("c3", "10.32.0.77/12", parse_cidr("10.32.0.77/12")),
        ("c4", "10.32.0.77/12", "Unable to claim: address 10.32.0.77/12 is already owned by c3"),
        ("_", "10.32.0.77/12", parse_cidr("10.32.0.77/12")),
        ("c4", "192.168.9.9/24", parse_cidr("192.168.9.9/24")),
        ("c5", "192.168.9.9/24", "Unable to claim: address 192.168.9.9/24 already in use by c4"),
        ("_", "10.32.0.78/12", parse_cidr("10.32.0.78/12")),
        ("_", "10.32.0.78/12", parse_cidr("10.32.0.78/12")),
        ("c6", "10.32.0.78/12", "Unable to claim: address 10.32.0.78/12 already in use"),
    ]
    for ident, text, expected in cases:
        number = peer.claim(ident, text)
        mesh.deliver()
        assert peer.answers[number] == expected


def test_lookup_finds_the_addresses_of_an_owner_in_a_subnet() -> None:
    mesh, peer = one_peer()
    peer.allocate("c1")
    peer.claim("c1", "10.33.1.1/24")
    assert peer.allocator.lookup("c1", mesh.range) == [parse_cidr("10.32.0.1/12"), parse_cidr("10.33.1.1/24")]
    assert peer.allocator.lookup("c1", parse_cidr("10.33.1.0/24")) == [parse_cidr("10.33.1.1/24")]
    assert peer.allocator.lookup("c2", mesh.range) == []


def test_half_the_range_comes_over_when_a_peer_asks() -> None:
    mesh, one, two = two_peers()
    number = two.allocate("c1")
    mesh.deliver()
    assert two.answers[number] == Cidr(parse_address("10.32.0.32"), 26)
    sizes = {entry.peer: entry.size for entry in one.allocator.view().entries}
    assert sizes == {one.name: 32, two.name: 32}
    assert mesh.problems == []


def test_claim_of_an_address_that_another_peer_has_free_brings_it_over() -> None:
    mesh, _, two = two_peers()
    number = two.claim("c", "10.32.0.7/26")
    mesh.deliver()
    assert two.answers[number] == parse_cidr("10.32.0.7/26")


def test_claim_of_an_address_in_use_elsewhere_is_denied() -> None:
    mesh, one, two = two_peers()
    one.allocate("a")
    number = two.claim("b", "10.32.0.1/26")
    mesh.deliver()
    assert two.answers[number] == (
        "Unable to claim: address 10.32.0.1/26 is owned by other peer 7a:00:00:00:00:01 (host1)"
    )


def test_claim_at_an_unreachable_owner_fails_in_the_end_and_early_callers_hear_yes() -> None:
    mesh, one, two = two_peers()
    del mesh.peers[one.name]
    patient = two.claim("a", "10.32.0.1/26")
    early = two.claim("b", "10.32.0.2/26", early=True)
    mesh.deliver()
    assert two.answers.get(early) == parse_cidr("10.32.0.2/26")
    assert patient not in two.answers
    for _ in range(6):
        mesh.wait(5)
    assert "is owned by other peer" in str(two.answers[patient])


def test_leaving_hands_everything_to_another_peer() -> None:
    mesh, one, two = two_peers()
    one.allocate("a")
    waiting = one.allocate("b")
    one.leave()
    later = one.allocate("c")
    mesh.deliver()
    assert one.answers[later] == "cancelled"
    assert one.answers[waiting] == parse_cidr("10.32.0.2/26")
    assert [(entry.peer, entry.size) for entry in two.allocator.view().entries] == [(two.name, 64)]


def test_dead_peers_ranges_are_taken_over() -> None:
    mesh, one, two = two_peers()
    two.allocate("x")
    mesh.deliver()
    del mesh.peers[one.name]
    assert two.take_over("nobody") == 0
    assert two.take_over("host1") == 32
    assert two.take_over("host1") == 0
    assert {entry.peer for entry in two.allocator.view().entries} == {two.name}
    two.start()
    assert {entry.peer for entry in two.allocator.view().entries} == {two.name}


def test_owner_that_is_in_the_mesh_is_not_taken_over() -> None:
    mesh, one, two = two_peers()
    with pytest.raises(
        RouterProblem, match=r"^7a:00:00:00:00:01 \(host1\) is in the mesh, and its addresses"
    ):
        two.take_over("host1")
    assert {entry.peer for entry in two.allocator.view().entries} == {one.name}
    # Whoever owns nothing loses nothing.
    assert one.take_over("host2") == 0
    mesh.cut([one], [two])
    assert two.take_over("host1") == 64


def test_range_divided_twice_cannot_be_joined() -> None:
    mesh = FakeAllocatorMesh(1)
    one, two = mesh.add(1), mesh.add(2)
    mesh.groups = [{one.name}, {two.name}]
    one.allocate("a")
    two.allocate("b")
    mesh.deliver()
    mesh.groups = []
    mesh.gossip()
    assert any("IP allocation was seeded by different peers" in problem for problem in mesh.problems)


def test_two_expected_peers_wait_for_each_other() -> None:
    mesh = FakeAllocatorMesh(1)
    one = mesh.add(1, Setup(peer_count=2))
    number = one.allocate("a")
    mesh.deliver()
    assert number not in one.answers
    view = one.allocator.view()
    assert (view.is_electing, view.quorum, view.known_nodes) == (True, 2, 1)
    two = mesh.add(2, Setup(peer_count=2))
    mesh.gossip()
    mesh.wait(5)
    assert one.answers[number] == parse_cidr("10.32.0.1/26")
    assert {entry.peer for entry in two.allocator.view().entries} == {one.name, two.name}


def test_observer_gets_the_ring_of_the_others_and_never_votes() -> None:
    mesh = FakeAllocatorMesh(1)
    observer = mesh.add(1, Setup(is_observer=True))
    number = observer.allocate("a")
    mesh.deliver()
    assert number not in observer.answers
    elector = mesh.add(2)
    mesh.wait(5)
    mesh.wait(5)
    assert isinstance(observer.answers[number], Cidr)
    assert elector.allocator.view().entries[0].peer == elector.name


def test_seeds_divide_the_range_without_an_election() -> None:
    names = (PeerName(0x7A0000000001), PeerName(0x7A0000000002))
    mesh = FakeAllocatorMesh(1)
    peer = mesh.add(1, Setup(seeds=names))
    assert [entry.peer for entry in peer.allocator.view().entries] == list(names)


@pytest.mark.parametrize("data", [b"", b"\x07", b"\x00", b"\x01garbage", b"\x02\xff"])
def test_bad_message_is_refused(data: bytes) -> None:
    mesh, peer = one_peer()
    with pytest.raises(RemoteProtocolError):
        peer.allocator.on_unicast(PeerName(9), data, mesh.now)


def test_everything_is_there_after_a_restart() -> None:
    mesh, one, two = two_peers()
    one.allocate("a")
    number = two.allocate("b")
    mesh.deliver()
    before = two.answers[number]
    two.start()
    assert two.allocator.owned() == {"b": [before]}
    fresh = two.allocate("c")
    mesh.deliver()
    assert isinstance(two.answers[fresh], Cidr)
    assert two.answers[fresh] != before
    mesh.check()


def test_claim_of_what_is_ours_holds_though_the_journal_is_lost() -> None:
    """With the list of seeds alone we believe that another owns the address, and are denied it first."""
    mesh = FakeAllocatorMesh(1)
    names = (PeerName(0x7A0000000001), PeerName(0x7A0000000002))
    one, two = mesh.add(1, Setup(seeds=names)), mesh.add(2, Setup(seeds=names))
    number = two.claim("c", "10.32.0.7/26")
    mesh.deliver()
    assert two.answers[number] == parse_cidr("10.32.0.7/26")
    two.journal.committed = Saved()
    two.start()
    again = two.claim("c", "10.32.0.7/26")
    mesh.deliver()
    assert two.answers[again] == parse_cidr("10.32.0.7/26")
    assert one.allocator.owned() == {}
    mesh.check()
