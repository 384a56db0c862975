from __future__ import annotations

import random

import pytest

from tests.fakes.gossip import FakeWordChannel
from weave_cli.errors import LocalProtocolError
from weave_cli.names import PeerName
from weave_cli.router.mesh.channels import Channels
from weave_cli.router.mesh.ourself import LocalConnection, Ourself
from weave_cli.router.mesh.outbox import Outbox
from weave_cli.router.mesh.peers import Link, Peer, PeerTable
from weave_cli.router.mesh.routes import Routes
from weave_cli.router.wire.messages import Gossip, Tag, Unicast, encode_gossip, encode_unicast

US = PeerName(1)


class Middle:
    """We between peers 2, 3 and 4, who know only us; peer 5 is behind 2."""

    def __init__(self) -> None:
        table = PeerTable(Peer(name=US, uid=1))
        ourself = Ourself(table[US], table, connection_limit=0, rng=random.Random(0))
        self.outboxes: dict[int, Outbox] = {}
        for name in (2, 3, 4):
            self.outboxes[name] = Outbox(US, lambda: None)
            ourself.add(
                LocalConnection(
                    conn_id=name,
                    remote=PeerName(name),
                    remote_uid=name,
                    address=f"10.0.0.{name}:6783",
                    outbound=True,
                    uid=name,
                    outbox=self.outboxes[name],
                )
            )
        back = (self.link(1),)
        table.apply(
            [
                Peer(name=PeerName(2), version=1, links=(*back, self.link(5))),
                *(Peer(name=PeerName(name), version=1, links=back) for name in (3, 4)),
                Peer(name=PeerName(5), version=1, links=(self.link(2),)),
            ]
        )
        self.channels = Channels(ourself, Routes(US, table), random.Random(0))
        self.words = FakeWordChannel()
        self.channels.open("words", self.words)

    @staticmethod
    def link(remote: int) -> Link:
        return Link(remote=PeerName(remote), address="", outbound=True, established=True)

    def sent(self) -> dict[int, list[tuple[int, bytes]]]:
        taken = {name: outbox.take(0.0) for name, outbox in self.outboxes.items()}
        return {name: messages for name, messages in taken.items() if messages}


def gossip(source: int, data: bytes, channel: str = "words") -> bytes:
    return encode_gossip(Gossip(channel=channel, source=PeerName(source), data=data))


def unicast(source: int, destination: int, channel: str = "words", data: bytes = b"x") -> bytes:
    return encode_unicast(
        Unicast(channel=channel, source=PeerName(source), destination=PeerName(destination), data=data)
    )


def test_unicast_for_us_is_delivered_and_others_are_forwarded_unchanged() -> None:
    middle = Middle()
    middle.channels.receive(Tag.UNICAST, unicast(5, 1), 0)
    assert middle.words.unicasts == [(5, b"x")]
    assert middle.sent() == {}
    payload = unicast(3, 5, "anything")
    middle.channels.receive(Tag.UNICAST, payload, 0)
    assert middle.sent() == {2: [(Tag.UNICAST, payload)]}


def test_unicast_without_route_or_on_an_unknown_channel_is_dropped() -> None:
    middle = Middle()
    middle.channels.receive(Tag.UNICAST, unicast(3, 77), 0)
    middle.channels.receive(Tag.UNICAST, unicast(3, 1, "unknown"), 0)
    assert middle.sent() == {} and middle.words.unicasts == []


def test_empty_unicasts_which_end_go_routers_are_neither_sent_nor_forwarded() -> None:
    middle = Middle()
    with pytest.raises(LocalProtocolError, match="empty unicast on channel words"):
        middle.channels.unicast("words", PeerName(5), b"")
    middle.channels.receive(Tag.UNICAST, unicast(3, 5, data=b""), 0)
    assert middle.sent() == {}


def test_broadcast_is_delivered_and_passed_on_with_its_source() -> None:
    middle = Middle()
    middle.channels.receive(Tag.BROADCAST, gossip(5, b"a"), 0)
    assert middle.words.broadcasts == [(5, frozenset({"a"}))]
    assert middle.sent() == {name: [(Tag.BROADCAST, gossip(5, b"a"))] for name in (3, 4)}


def test_our_own_broadcast_coming_back_is_dropped() -> None:
    middle = Middle()
    for channel in ("words", "unknown"):
        middle.channels.receive(Tag.BROADCAST, gossip(1, b"a", channel), 0)
    assert middle.sent() == {} and middle.words.broadcasts == []


def test_only_what_was_new_in_gossip_is_passed_on_but_not_back() -> None:
    middle = Middle()
    middle.words.known = {"a"}
    middle.channels.receive(Tag.GOSSIP, gossip(2, b"a\nb"), 0)
    assert middle.sent() == {name: [(Tag.GOSSIP, gossip(1, b"b"))] for name in (3, 4)}
    middle.channels.receive(Tag.GOSSIP, gossip(3, b"a\nb"), 0)
    assert middle.sent() == {}


def test_unknown_channels_are_passed_on_octet_for_octet() -> None:
    middle = Middle()
    middle.channels.receive(Tag.BROADCAST, gossip(5, b"\xff\x00", "unknown"), 0)
    assert middle.sent() == {name: [(Tag.BROADCAST, gossip(5, b"\xff\x00", "unknown"))] for name in (3, 4)}
    middle.channels.receive(Tag.GOSSIP, gossip(3, b"\xff", "unknown"), 0)
    assert middle.sent() == {name: [(Tag.GOSSIP, gossip(1, b"\xff", "unknown"))] for name in (2, 4)}


def test_unknown_gossip_seen_lately_is_not_passed_on_again() -> None:
    middle = Middle()
    middle.channels.receive(Tag.GOSSIP, gossip(3, b"s", "unknown"), 100)
    assert middle.sent()
    middle.channels.receive(Tag.GOSSIP, gossip(2, b"s", "unknown"), 129)
    assert middle.sent() == {}
    middle.channels.receive(Tag.GOSSIP, gossip(2, b"s", "other"), 129)
    assert set(middle.sent()) == {3, 4}
    middle.channels.receive(Tag.GOSSIP, gossip(2, b"s", "unknown"), 131)
    assert set(middle.sent()) == {3, 4}
