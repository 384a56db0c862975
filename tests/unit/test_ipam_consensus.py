"""The election, step by step, against Go routers; and the messages that carry it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors.load import load
from weave_cli.addresses import Range, parse_address
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, parse_peer_name
from weave_cli.router.ipam.consensus import Claims, Consensus, NodeId, ProposalId
from weave_cli.router.ipam.shapes import UnicastKind, decode_range, decode_state, encode_range, encode_state


def node(raw: dict[str, Any]) -> NodeId:
    return NodeId(parse_peer_name(raw["Name"]), raw["UID"])


def proposal(raw: dict[str, Any]) -> ProposalId:
    return ProposalId(raw["Round"], node(raw["Proposer"]))


def claims(raw: dict[str, Any]) -> Claims:
    return Claims(
        proposal(raw["Promise"]),
        proposal(raw["Accepted"]),
        frozenset(map(parse_peer_name, raw["AcceptedVal"]["Value"])),
        proposal(raw["AcceptedVal"]["Origin"]),
    )


@pytest.mark.parametrize("vector", load("paxos")["vectors"], ids=lambda one: one["name"])
def test_election_takes_the_go_routers_steps(vector: dict[str, Any]) -> None:
    nodes: dict[int, Consensus] = {}
    for number, quorum in enumerate(vector["quorums"], 1):
        mine = next(
            node(one["NodeID"])
            for step in vector["steps"]
            for one in step["knows"]
            if one["NodeID"]["Name"].endswith(f"{number:02x}")
        )
        nodes[number] = Consensus(mine, quorum)
    for step in vector["steps"]:
        one = nodes[step["node"]]
        if step["op"] == "propose":
            one.propose()
        elif step["op"] == "deliver":
            changed = one.update(nodes[step["from"]].knows)
            assert changed == step["update_changed"]
            thought = one.think() if changed else False
            assert thought == step.get("think_changed", False)
        else:
            pytest.fail(f"unknown step {step['op']}")
        assert one.knows == {node(raw["NodeID"]): claims(raw) for raw in step["knows"]}
        decided = one.decision()
        assert (decided is not None) == step["consensus"]
        if decided is not None:
            assert list(decided) == [parse_peer_name(name) for name in step["consensus_value_sorted_unique"]]


@pytest.mark.parametrize(
    "vector", load("consensus-normalize")["vectors"], ids=lambda one: str(len(one["in"]))
)
def test_agreed_names_are_ascending_and_unique(vector: dict[str, Any]) -> None:
    us = NodeId(PeerName(1), 1)
    agreed = ProposalId(1, us)
    one = Consensus(us, 1)
    one.knows[us] = Claims(agreed, agreed, frozenset(map(parse_peer_name, vector["in"])), agreed)
    # Nobody agrees on nobody: the empty list is no decision, since a ring of it could not be made.
    assert one.decision() == (tuple(map(parse_peer_name, vector["out"])) or None)


def test_election_without_a_next_round_is_refused() -> None:
    state = decode_state(bytes.fromhex(load("ipam-messages")["vectors"][3]["hex"]))
    (voter,) = state.paxos or {}
    last = Claims(ProposalId((1 << 64) - 1, voter))
    with pytest.raises(RemoteProtocolError, match="round"):
        decode_state(encode_state(replace(state, paxos={voter: last})))


@pytest.mark.parametrize("vector", load("ipam-messages")["vectors"], ids=lambda one: one["name"][:40])
def test_messages_read_as_the_go_routers_wrote_them(vector: dict[str, Any]) -> None:
    data, decoded = bytes.fromhex(vector["hex"]), vector["decoded"]
    if vector["kind"] == "unicast payload" and data[0] == UnicastKind.RING_UPDATE:
        data = data[1:]
    elif vector["kind"] == "unicast payload":
        part = decode_range(data[1:])
        assert part == Range(parse_address(decoded["Start"]), decoded["End_uint32"])
        assert decode_range(encode_range(part)) == part
        return
    state = decode_state(data)
    assert state.now == decoded["Now"]
    assert dict(state.nicknames) == {
        parse_peer_name(name): nick for name, nick in decoded["Nicknames"].items()
    }
    assert (state.paxos is None) == (decoded["Paxos"] is None)
    assert (state.ring is None) == (decoded["Ring"] is None)
    if state.ring is not None:
        assert [one.free for one in state.ring.entries] == [one["Free"] for one in decoded["Ring"]["Entries"]]
    assert decode_state(encode_state(state)) == state


@settings(max_examples=300)
@given(data=st.binary(max_size=200), cut=st.integers(0, 400), flip=st.integers(0, 4000))
def test_garbage_is_refused_with_a_reason(data: bytes, cut: int, flip: int) -> None:
    sample = bytearray.fromhex(load("ipam-messages")["vectors"][flip % 8]["hex"])
    sample[flip % len(sample)] ^= 1 << flip % 8
    for octets in (data, bytes(sample), bytes(sample[:cut])):
        for decode in (decode_state, decode_range):
            try:
                decode(octets)
            except RemoteProtocolError as problem:
                assert str(problem)
