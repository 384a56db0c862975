from __future__ import annotations

from tests.fakes.gossip import words
from weave_cli.names import PeerName
from weave_cli.router.mesh.outbox import Outbox
from weave_cli.router.mesh.pacing import Pacer
from weave_cli.router.wire.messages import Gossip, Tag, decode_gossip

US = PeerName(1)


def test_gossip_is_merged_until_it_is_taken() -> None:
    outbox = Outbox(US, lambda: None)
    outbox.add_gossip("c", words("a"))
    outbox.add_gossip("c", words("b"))
    outbox.add_gossip("d", words("x"))
    messages = [(tag, decode_gossip(payload)) for tag, payload in outbox.take(0.0)]
    assert messages == [
        (Tag.GOSSIP, Gossip(channel="c", source=US, data=b"a\nb")),
        (Tag.GOSSIP, Gossip(channel="d", source=US, data=b"x")),
    ]
    assert outbox.take(0.0) == []


def test_broadcasts_are_merged_per_source_and_follow_the_gossip() -> None:
    outbox = Outbox(US, lambda: None)
    outbox.add_broadcast("c", PeerName(2), words("a"))
    outbox.add_broadcast("c", PeerName(3), words("b"))
    outbox.add_broadcast("c", PeerName(2), words("c"))
    outbox.add_gossip("c", words("g"))
    messages = [(tag, decode_gossip(payload)) for tag, payload in outbox.take(0.0)]
    assert messages == [
        (Tag.GOSSIP, Gossip(channel="c", source=US, data=b"g")),
        (Tag.BROADCAST, Gossip(channel="c", source=PeerName(2), data=b"a\nc")),
        (Tag.BROADCAST, Gossip(channel="c", source=PeerName(3), data=b"b")),
    ]


def test_finished_messages_keep_order_and_octets() -> None:
    outbox = Outbox(US, lambda: None)
    for payload in (b"1", b"2", b"1"):
        outbox.add_raw(Tag.UNICAST, payload)
    assert outbox.take(0.0) == [(5, b"1"), (5, b"2"), (5, b"1")]


def test_messages_for_a_neighbour_that_takes_none_are_dropped_at_last() -> None:
    outbox = Outbox(US, lambda: None)
    for _ in range(40):
        outbox.add_raw(Tag.UNICAST, bytes(1 << 20))
    for _ in range(200_000):
        outbox.add_raw(Tag.UNICAST, b"")
    taken = outbox.take(0.0)
    assert 31 <= sum(len(payload) for _, payload in taken) >> 20 <= 32
    assert len(taken) < 6000
    outbox.add_raw(Tag.UNICAST, b"again")
    assert outbox.take(0.0) == [(Tag.UNICAST, b"again")]


def test_pending_is_said_once_until_taken() -> None:
    said: list[str] = []
    outbox = Outbox(US, lambda: said.append("pending"))
    outbox.add_gossip("c", words("a"))
    outbox.add_broadcast("c", US, words("a"))
    outbox.add_raw(Tag.UNICAST, b"")
    assert said == ["pending"]
    outbox.take(0.0)
    outbox.add_raw(Tag.UNICAST, b"")
    assert said == ["pending"] * 2


def test_paced_work_is_due_at_once_after_quiet_and_then_keeps_its_distance() -> None:
    pacer = Pacer(10.0)
    assert not pacer.take(100.0)
    pacer.ask(100.0)
    assert pacer.due == 100.0
    assert pacer.take(100.0)
    assert not pacer.take(100.0)
    pacer.ask(103.0)
    pacer.ask(104.0)
    assert pacer.due == 110.0
    assert not pacer.take(109.0)
    assert pacer.take(112.0)
    pacer.ask(130.0)
    assert pacer.due == 130.0
