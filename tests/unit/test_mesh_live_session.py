"""A node in the place of each of two Go routers whose conversation was recorded."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.fakes.network import features_of
from tests.vectors.load import load
from weave_cli.names import PeerName, parse_peer_name
from weave_cli.router.mesh.events import CloseConnection
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.wire.messages import Tag

SESSION = load("live-session")["vectors"]["tcp"]
NAMES = {"initiator": parse_peer_name("7a::2"), "acceptor": parse_peer_name("7a::1")}


def described(session: dict[str, Any], name: PeerName) -> dict[str, Any]:
    """The last description of a peer that was sent by itself."""
    found: dict[str, Any] = {}
    for message in session["messages"]:
        decoded = message.get("decoded") or {}
        if decoded.get("channel") == "topology":
            for payload in decoded["payload_values"]:
                if isinstance(payload, dict) and payload.get("NameByte") == f"{name:012x}":
                    found = payload
    return found


@pytest.mark.parametrize("session", SESSION, ids=[session["side"] for session in SESSION])
def test_everything_a_go_router_says_is_understood(session: dict[str, Any]) -> None:
    remote = NAMES[session["side"]]
    ours = next(name for name in NAMES.values() if name != remote)
    node = MeshNode(
        name=ours,
        nickname="us",
        uid=1,
        short_id=None,
        port=6783,
        discovery=True,
        connection_limit=0,
        rng=random.Random(0),
        now=0.0,
    )
    node.add_connection(
        1, features_of(remote, 0), address="10.198.0.9:40000", outbound=False, connection_uid=1, now=0.0
    )
    for message in session["messages"][1:]:
        octets = bytes.fromhex(message["hex"])
        if octets[0] in (Tag.GOSSIP, Tag.UNICAST, Tag.BROADCAST):
            node.receive(1, octets[0], octets[1:], message["t"])
    closed = []
    while (event := node.next_event()) is not None:
        closed += [event] if isinstance(event, CloseConnection) else []
    assert closed == []
    last = described(session, remote)
    peer = next(peer for peer in node.peers() if peer.name == remote)
    assert (peer.nickname, peer.uid, peer.version) == (last["NickName"], last["UID"], last["Version"])
    assert [(link.remote, link.established) for link in peer.links] == [(ours, True)]
    # The other router's uid is not ours: what was said of it must have been outrun.
    assert node.ourselves.version > described(session, ours)["Version"]
