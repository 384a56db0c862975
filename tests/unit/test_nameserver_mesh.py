"""The registry as a channel of a mesh node: what it refuses ends the connection, and the status says why."""

from __future__ import annotations

import random

from tests.fakes.network import features_of
from weave_cli.names import PeerName
from weave_cli.router.mesh.events import CloseConnection, MeshEvent
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.mesh.targets import DirectTarget
from weave_cli.router.nameserver.entries import Entry
from weave_cli.router.nameserver.registry import CHANNEL, NameRegistry
from weave_cli.router.nameserver.shapes import decode_message, encode_message
from weave_cli.router.wire.messages import Gossip, Tag, decode_gossip, encode_gossip

US, THEM = PeerName(1), PeerName(2)
NOW = 1_700_000_000.0
ADDRESS = "10.0.0.2:6783"
THEIRS = Entry(container_id="c2", origin=THEM, address=2, hostname="db.weave.local.")


class Host:
    """A node with names of its own and a connection to another peer, which it dialled."""

    def __init__(self) -> None:
        self.node = MeshNode(
            name=US,
            nickname="us",
            uid=1,
            short_id=1,
            port=6783,
            discovery=True,
            connection_limit=0,
            rng=random.Random(0),
            now=NOW,
        )
        self.registry = NameRegistry(name=US, domain="weave.local.", directory=self.node)
        self.registry.attach(self.node.open_channel(CHANNEL, self.registry))
        self.registry.add("web.weave.local.", "c1", 1, NOW)
        self.node.connect([DirectTarget("them", ADDRESS)], replace=False, now=NOW)
        self.connections = 0
        self.meet(NOW)

    def meet(self, now: float) -> None:
        self.connections += 1
        self.node.add_connection(
            self.connections,
            features_of(THEM, 2),
            address=ADDRESS,
            outbound=True,
            connection_uid=1,
            now=now,
        )

    def hear(self, timestamp: float, now: float) -> None:
        data = encode_message(int(timestamp), [THEIRS])
        gossip = encode_gossip(Gossip(CHANNEL, THEM, data))
        self.node.receive(self.connections, Tag.GOSSIP, gossip, now)

    def events(self) -> list[MeshEvent]:
        found = []
        while event := self.node.next_event():
            found.append(event)
        return found


def test_clocks_that_are_apart_end_the_connection_and_the_status_says_why() -> None:
    host = Host()
    host.hear(NOW - 901, NOW)
    reason = "host clock skew of -901s exceeds 900s limit"
    assert CloseConnection(1, reason) in host.events()
    assert host.registry.lookup("db.weave.local.") == []
    (target,) = host.node.targets()
    assert (target.address, target.state, target.last_error) == (ADDRESS, "failed", reason)
    # When the clocks are set right the same peer is welcome.
    host.meet(NOW + 60)
    host.hear(NOW + 60 + 900, NOW + 60)
    assert host.registry.lookup("db.weave.local.") == [2]
    assert not any(isinstance(event, CloseConnection) for event in host.events())


def test_a_new_neighbour_is_told_all_names_at_the_time_of_sending() -> None:
    host = Host()
    told = [
        decode_message(gossip.data)
        for _, payload in host.node.send_pending(1, NOW + 7)
        if (gossip := decode_gossip(payload)).channel == CHANNEL
    ]
    assert [timestamp for timestamp, _ in told] == [NOW + 7]
    assert [entry.hostname for _, entries in told for entry in entries] == ["web.weave.local."]


def test_names_of_a_peer_come_only_after_the_peer() -> None:
    host = Host()
    stranger = Entry(container_id="c3", origin=PeerName(3), address=3, hostname="x.weave.local.")
    data = encode_message(int(NOW), [stranger, THEIRS])
    host.node.receive(1, Tag.BROADCAST, encode_gossip(Gossip(CHANNEL, THEM, data)), NOW)
    assert host.registry.lookup("x.weave.local.") == []
    assert host.registry.lookup("db.weave.local.") == [2]
