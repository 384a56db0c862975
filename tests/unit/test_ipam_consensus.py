"""The election, step by step, against Go routers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vectors.load import load
from weave_cli.names import PeerName, parse_peer_name
from weave_cli.router.ipam.consensus import Claims, Consensus, NodeId, ProposalId


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


def test_who_proposes_nothing_decides_nothing() -> None:
    proposer, other = NodeId(PeerName(1), 1), NodeId(PeerName(2), 2)
    first, second = Consensus(proposer, 1), Consensus(other)
    first.propose()
    assert second.update(first.knows) and second.think()
    assert second.knows[other].accepted == second.knows[proposer].accepted
    assert first.decision() == (PeerName(1),)
    assert second.decision() is None


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
