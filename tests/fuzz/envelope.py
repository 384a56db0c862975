"""Tags 4, 5 and 6 at a node with neighbours: delivered, relayed, or the end of one connection."""

from __future__ import annotations

import random

from tests.fakes.gossip import FakeWordChannel
from tests.fakes.network import features_of
from tests.fuzz.seeds import recorded, with_choice
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.wire.messages import (
    Gossip,
    Tag,
    Unicast,
    decode_gossip,
    decode_unicast,
    encode_gossip,
    encode_unicast,
)

_TAGS = (Tag.GOSSIP, Tag.UNICAST, Tag.BROADCAST)


def seeds() -> list[bytes]:
    topology = recorded("topology")[:4]
    ours = [
        *(encode_gossip(Gossip("words", PeerName(2), words)) for words in (b"a\nb", b"\xff")),
        *(encode_gossip(Gossip("topology", PeerName(2), update)) for update in topology),
        *(encode_unicast(Unicast("words", PeerName(2), PeerName(to), b"a")) for to in (1, 3, 9)),
        encode_gossip(Gossip("unknown", PeerName(3), b"x")),
    ]
    return with_choice([*ours, *recorded("gossip-envelopes")], len(_TAGS))


def check(data: bytes) -> None:
    tag = _TAGS[data[0] % len(_TAGS)] if data else Tag.GOSSIP
    payload = data[1:]
    node = _node_with_neighbours()
    node.receive(2, tag, payload, 10.0)
    node.on_wake(60.0)
    _check_relayed(node)
    try:
        if tag == Tag.UNICAST:
            unicast = decode_unicast(payload)
            assert decode_unicast(encode_unicast(unicast)) == unicast
        else:
            gossip = decode_gossip(payload)
            assert decode_gossip(encode_gossip(gossip)) == gossip
    except RemoteProtocolError:
        assert 2 not in {view.conn_id for view in node.connections()}


def _node_with_neighbours() -> MeshNode:
    node = MeshNode(
        name=PeerName(1),
        nickname="us",
        uid=1,
        short_id=1,
        port=6783,
        discovery=True,
        connection_limit=0,
        rng=random.Random(0),
        now=0.0,
    )
    node.open_channel("words", FakeWordChannel())
    for remote in (2, 3):
        node.add_connection(
            remote,
            features_of(PeerName(remote), remote),
            address=f"10.0.0.{remote}:6783",
            outbound=False,
            connection_uid=remote,
            now=0.0,
        )
        node.send_pending(remote, 0.0)
    return node


def _check_relayed(node: MeshNode) -> None:
    """What goes on to others must be something that they can read."""
    for tag, payload in node.send_pending(3, 60.0):
        if tag == Tag.UNICAST:
            decode_unicast(payload)
        else:
            decode_gossip(payload)
    while node.next_event():
        pass
