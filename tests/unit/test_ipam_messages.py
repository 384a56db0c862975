"""The allocator's messages, and what the Go router stores: read as they were written, refused when broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.allocators import FakeAllocatorMesh, FakePeer
from tests.vectors.load import load
from weave_cli.addresses import Range, format_address, parse_address
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.ipam.allocator import Setup
from weave_cli.router.ipam.consensus import Claims, ProposalId
from weave_cli.router.ipam.ring import Ring
from weave_cli.router.ipam.shapes import (
    State,
    UnicastKind,
    decode_range,
    decode_state,
    encode_range,
    encode_state,
)
from weave_cli.router.wire.gob_decode import decode_stream
from weave_cli.router.wire.gob_types import BOOL, INT, STRING, UINT, GobType, MapOf, SliceOf, StructOf

MESSAGES: list[dict[str, Any]] = load("ipam-messages")["vectors"]
STATES = [
    vector
    for vector in MESSAGES
    if vector["kind"] != "unicast payload" or vector["hex"].startswith(f"{UnicastKind.RING_UPDATE:02x}")
]
REQUESTS = [vector for vector in MESSAGES if vector not in STATES]
CIDRS = SliceOf(StructOf("CIDR", (("Addr", UINT), ("PrefixLen", INT))))
STORED: dict[str, GobType] = {
    "peername": UINT,
    "ring": StructOf(
        "Ring",
        (
            ("Start", UINT),
            ("End", UINT),
            ("Peer", UINT),
            (
                "Entries",
                SliceOf(
                    StructOf("entry", (("Token", UINT), ("Peer", UINT), ("Version", UINT), ("Free", UINT)))
                ),
            ),
            ("Seeds", SliceOf(UINT)),
        ),
    ),
    "ownedAddresses": MapOf(STRING, StructOf("ownedData", (("IsContainer", BOOL), ("Cidrs", CIDRS)))),
    "directPeers": SliceOf(STRING),
}


def state_octets(vector: dict[str, Any]) -> bytes:
    data = bytes.fromhex(vector["hex"])
    return data[1:] if vector["kind"] == "unicast payload" else data


def ring_as_recorded(ring: Ring, sender: PeerName) -> dict[str, Any]:
    return {
        "Start": format_address(ring.whole.start),
        "Start_uint32": ring.whole.start,
        "End_exclusive_uint32": ring.whole.end,
        "Peer": format_peer_name(sender),
        "Entries": [
            {
                "Token": format_address(one.token),
                "Peer": format_peer_name(one.peer),
                "Version": one.version,
                "Free": one.free,
            }
            for one in ring.entries
        ],
        "Seeds": [format_peer_name(seed) for seed in ring.seeds],
    }


def proposal_as_recorded(proposal: ProposalId) -> dict[str, Any]:
    name = format_peer_name(proposal.proposer.name)
    return {"Round": proposal.round, "Proposer": {"Name": name, "UID": proposal.proposer.uid}}


def as_recorded(state: State) -> dict[str, Any]:
    """In the words of the vectors; lists whose order means nothing are sorted."""
    paxos = None
    if state.paxos is not None:
        paxos = [
            {
                "NodeID": {"Name": format_peer_name(node.name), "UID": node.uid},
                "Promise": proposal_as_recorded(claims.promise),
                "Accepted": proposal_as_recorded(claims.accepted),
                "AcceptedVal": {
                    "Value": sorted(map(format_peer_name, claims.value)),
                    "Origin": proposal_as_recorded(claims.origin),
                },
            }
            for node, claims in sorted(state.paxos.items())
        ]
    return {
        "Now": state.now,
        "Nicknames": {format_peer_name(name): nickname for name, nickname in state.nicknames.items()},
        "Paxos": paxos,
        "Ring": state.ring and ring_as_recorded(state.ring, state.sender),
    }


@pytest.mark.parametrize("vector", STATES, ids=lambda one: one["name"][:40])
def test_states_read_as_the_go_routers_wrote_them(vector: dict[str, Any]) -> None:
    state = decode_state(state_octets(vector))
    expected = vector["decoded"]
    if expected["Paxos"]:
        for node in expected["Paxos"]:
            node["AcceptedVal"]["Value"].sort()
        expected["Paxos"].sort(key=lambda node: (node["NodeID"]["Name"], node["NodeID"]["UID"]))
    assert as_recorded(state) == {key: expected[key] for key in ("Now", "Nicknames", "Paxos", "Ring")}
    assert decode_state(encode_state(state)) == state


@pytest.mark.parametrize("vector", REQUESTS, ids=lambda one: one["name"][:40])
def test_space_requests_read_as_the_go_routers_wrote_them(vector: dict[str, Any]) -> None:
    data, decoded = bytes.fromhex(vector["hex"]), vector["decoded"]
    assert data[0] == decoded["type"]
    part = decode_range(data[1:])
    assert part == Range(parse_address(decoded["Start"]), decoded["End_uint32"])
    assert decode_range(encode_range(part)) == part


@pytest.mark.parametrize("vector", load("persisted-values")["vectors"], ids=lambda one: one["key"])
def test_stored_values_of_a_go_router_can_be_read(vector: dict[str, Any]) -> None:
    (value,) = decode_stream(bytes.fromhex(vector["hex"]), STORED[vector["key"]])
    decoded = vector["decoded"]
    match vector["key"]:
        case "peername":
            assert format_peer_name(value) == decoded["peername"]
        case "ring":
            assert (value["Start"], value["End"]) == (
                decoded["Start_uint32"],
                decoded["End_exclusive_uint32"],
            )
            assert [format_address(one["Token"]) for one in value["Entries"]] == [
                one["Token"] for one in decoded["Entries"]
            ]
            assert [format_peer_name(seed) for seed in value["Seeds"]] == decoded["Seeds"]
        case "ownedAddresses":
            assert {
                ident: {
                    "IsContainer": one["IsContainer"],
                    "Cidrs": [f"{format_address(cidr['Addr'])}/{cidr['PrefixLen']}" for cidr in one["Cidrs"]],
                }
                for ident, one in value.items()
            } == decoded
        case "directPeers":
            assert value == decoded


def test_election_without_a_next_round_is_refused() -> None:
    state = decode_state(bytes.fromhex(MESSAGES[3]["hex"]))
    (voter,) = state.paxos or {}
    last = Claims(ProposalId((1 << 64) - 1, voter))
    with pytest.raises(RemoteProtocolError, match="round"):
        decode_state(encode_state(replace(state, paxos={voter: last})))


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (0, 1 << 33)])
def test_ranges_that_are_none_are_refused(start: int, end: int) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_range(encode_range(Range(start, end)))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), number=st.integers(0, len(MESSAGES) - 1), bit=st.integers(0, 1 << 14))
def test_garbage_is_refused_with_a_reason(data: bytes, number: int, bit: int) -> None:
    sample = bytearray.fromhex(MESSAGES[number]["hex"])
    sample[bit // 8 % len(sample)] ^= 1 << bit % 8
    for octets in (data, bytes(sample), bytes(sample[: bit % 400])):
        for decode in (decode_state, decode_range):
            try:
                decode(octets)
            except RemoteProtocolError as problem:
                assert str(problem)


def talking_peers() -> tuple[FakeAllocatorMesh, list[FakePeer], list[tuple[bool, bytes]]]:
    """Three peers, one of which is still electing, and what was said among them."""
    mesh = FakeAllocatorMesh(1)
    said: list[tuple[bool, bytes]] = []
    original = mesh.post

    def post(source: PeerName, to: PeerName | None, data: bytes) -> None:
        said.append((to is None, data))
        original(source, to, data)

    mesh.post = post  # type: ignore[method-assign]
    one = mesh.add(1)
    one.wait_for_ring()
    two = mesh.add(2)
    mesh.gossip()
    two.allocate("a")
    two.claim("b", "10.32.0.9/26")
    one.allocate("c")
    mesh.deliver()
    lonely = mesh.add(3, Setup(peer_count=3))
    mesh.cut([one, two], [lonely])
    lonely.allocate("d")
    return mesh, [one, two, lonely], said


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 1 << 16)), min_size=1, max_size=4))
def test_no_message_of_a_peer_ends_us_or_makes_us_mute(changes: list[tuple[int, int]]) -> None:
    mesh, peers, said = talking_peers()
    for which, bit in changes:
        is_broadcast, octets = said[which % len(said)]
        broken = bytearray(octets)
        broken[bit // 8 % len(broken)] ^= 1 << bit % 8
        for peer in peers:
            before = peer.allocator.owned()
            try:
                if is_broadcast:
                    peer.allocator.on_broadcast(PeerName(9), bytes(broken), mesh.now)
                    peer.allocator.on_gossip(bytes(broken), mesh.now)
                else:
                    peer.allocator.on_unicast(PeerName(9), bytes(broken), mesh.now)
            except RemoteProtocolError as problem:
                assert str(problem)
            assert before.items() <= peer.allocator.owned().items()
    for peer in peers:
        mesh.now += 5
        peer.do(lambda allocator: allocator.on_wake(mesh.now))
        assert decode_state(peer.allocator.encode_state(mesh.now)).sender in (peer.name, 0)
