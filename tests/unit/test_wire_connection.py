"""WireConnection against recorded Go routers, against itself, and against anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors.load import load
from weave_cli.errors import LocalProtocolError
from weave_cli.names import PeerName
from weave_cli.router.wire.connection import Closed, Introduced, Received, WireConnection, WireEvent
from weave_cli.router.wire.frames import MAX_FEATURES, MAX_MESSAGE, frame_message
from weave_cli.router.wire.intro import Features
from weave_cli.router.wire.messages import Tag

ONE = Features(name=PeerName(0x7A0000000001), nickname="host1", uid=1, conn_id=6, overlays=("vxlan",))
TWO = Features(name=PeerName(0x7A0000000002), nickname="hôte-二", uid=2, conn_id=5, extra={"Own": "key"})

SESSION = load("live-session")["vectors"]["tcp"]
INTROS = {vector["name"]: vector for vector in load("intro")["vectors"]}
HEADER = b"weave\2\2\0"
VERSION_1 = b"weave\1\1"
BOTH = ("initiator", "acceptor")


def events_of(wire: WireConnection) -> list[WireEvent]:
    found = []
    while (event := wire.next_event()) is not None:
        found.append(event)
    return found


def acceptor(now: float = 0.0) -> WireConnection:
    return WireConnection(initiator=False, features=ONE, now=now)


def pair(now: float = 0.0) -> tuple[WireConnection, WireConnection]:
    """Two ends, introduced to each other."""
    ends = WireConnection(initiator=True, features=ONE, now=now), acceptor_two(now)
    exchange(*ends, now)
    assert [type(event) for end in ends for event in events_of(end)] == [Introduced, Introduced]
    return ends


def acceptor_two(now: float) -> WireConnection:
    return WireConnection(initiator=False, features=TWO, now=now)


def exchange(one: WireConnection, other: WireConnection, now: float) -> None:
    """Until neither has anything more to say."""
    while True:
        there, back = one.data_to_send(), other.data_to_send()
        if not there and not back:
            return
        other.receive(there, now)
        one.receive(back, now)


def whole(octets: bytes) -> Iterator[bytes]:
    yield octets


def by_octets(octets: bytes) -> Iterator[bytes]:
    for at in range(len(octets)):
        yield octets[at : at + 1]


def in_uneven_parts(octets: bytes) -> Iterator[bytes]:
    for at in range(0, len(octets), 7):
        yield octets[at : at + 7]


WAYS = pytest.mark.parametrize("cut", [whole, by_octets, in_uneven_parts])


def recorded_stream(session: dict[str, Any]) -> bytes:
    messages = (frame_message(bytes.fromhex(message["hex"])) for message in session["messages"])
    return bytes.fromhex(session["header_hex"]) + b"".join(messages)


@WAYS
@pytest.mark.parametrize("session", SESSION, ids=[session["side"] for session in SESSION])
def test_recorded_router_is_understood(
    session: dict[str, Any], cut: Callable[[bytes], Iterable[bytes]]
) -> None:
    wire = WireConnection(initiator=session["side"] == "acceptor", features=ONE, now=0.0)
    for piece in cut(recorded_stream(session)):
        wire.receive(piece, 1.0)
    introduced, *received = events_of(wire)
    decoded = session["messages"][0]["decoded"]
    assert isinstance(introduced, Introduced)
    assert introduced.features == Features.from_map(decoded)
    assert introduced.connection_uid == int(decoded["ConnID"]) ^ ONE.conn_id
    said = [bytes.fromhex(message["hex"]) for message in session["messages"][1:]]
    assert received == [Received(one[0], one[1:]) for one in said if one[0] != Tag.HEARTBEAT]


@WAYS
@pytest.mark.parametrize("side", BOTH)
def test_recorded_introduction_is_understood(side: str, cut: Callable[[bytes], Iterable[bytes]]) -> None:
    vector = INTROS["v2-plain"]
    wire = WireConnection(initiator=side == "acceptor", features=ONE, now=0.0)
    for piece in cut(bytes.fromhex(vector[side]["sent_hex"])):
        wire.receive(piece, 1.0)
    sent = vector[side]["features_sent"]
    messages = [bytes.fromhex(one) for one in vector[f"messages_after_intro_{side}"]]
    assert events_of(wire) == [
        Introduced(Features.from_map(sent), int(sent["ConnID"]) ^ ONE.conn_id),
        *(Received(one[0], one[1:]) for one in messages if one[0] != Tag.HEARTBEAT),
    ]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "connection closed by peer while waiting for the protocol header"),
        (b"weave\2", "connection closed by peer while waiting for the protocol header"),
        (
            b"weave\1\2",
            "connection closed by peer while waiting for the encryption flag; "
            "were both launched with a password, or both without?",
        ),
        (HEADER, "connection closed by peer while waiting for the features"),
        (VERSION_1, "connection closed by peer while waiting for the features"),
    ],
)
def test_end_of_the_stream_says_what_was_awaited(octets: bytes, reason: str) -> None:
    wire = acceptor()
    wire.receive(octets, 1.0)
    wire.receive_eof(1.0)
    wire.receive_eof(1.0)
    assert events_of(wire) == [Closed(reason)]


def test_both_ends_know_each_other_and_agree_on_the_number() -> None:
    one, two = WireConnection(initiator=True, features=ONE, now=0.0), acceptor_two(0.0)
    exchange(one, two, 0.0)
    assert events_of(one) == [Introduced(TWO, 3)]
    assert events_of(two) == [Introduced(ONE, 3)]


def test_we_offer_both_versions_and_wait_for_the_answer() -> None:
    wire = acceptor()
    assert wire.data_to_send() == b"weave\1\2"
    wire.receive(b"weave\1\2", 1.0)
    assert wire.data_to_send() == b"\0" + frame_message(ONE.encode())


def test_lowest_version_can_be_raised() -> None:
    wire = WireConnection(initiator=False, features=ONE, now=0.0, lowest_version=2)
    assert wire.data_to_send() == b"weave\2\2"
    wire.receive(VERSION_1, 1.0)
    assert events_of(wire) == [Closed("no common protocol version (ours: 2..2, theirs: 1..1)")]


@pytest.mark.parametrize(
    "message", [(4, b""), (7, b"\0\1"), (255, b"x" * 70_000), (6, bytes(range(256)) * 300)]
)
def test_messages_come_over_in_order(message: tuple[int, bytes]) -> None:
    one, two = pair()
    one.send(*message, now=1.0)
    one.send(5, b"behind", now=1.0)
    for piece in in_uneven_parts(one.data_to_send()):
        two.receive(piece, 1.0)
    assert events_of(two) == [Received(*message), Received(5, b"behind")]


def test_largest_message_comes_over_and_larger_ones_are_refused() -> None:
    one, two = pair()
    one.send(4, bytes(MAX_MESSAGE - 1), now=1.0)
    two.receive(one.data_to_send(), 1.0)
    (event,) = events_of(two)
    assert isinstance(event, Received)
    assert len(event.payload) == MAX_MESSAGE - 1
    with pytest.raises(LocalProtocolError, match="exceeds the limit"):
        one.send(4, bytes(MAX_MESSAGE), now=1.0)
    two.receive((MAX_MESSAGE + 1).to_bytes(4, "big"), 1.0)
    assert events_of(two) == [
        Closed(f"message of {MAX_MESSAGE + 1} octets exceeds the limit of {MAX_MESSAGE}")
    ]


def test_stranger_cannot_make_us_hold_long_features() -> None:
    wire = acceptor()
    wire.receive(HEADER + (MAX_FEATURES + 1).to_bytes(4, "big"), 1.0)
    assert events_of(wire) == [
        Closed(f"message of {MAX_FEATURES + 1} octets exceeds the limit of {MAX_FEATURES}")
    ]


def test_empty_messages_and_heartbeats_are_not_shown() -> None:
    one, two = pair()
    del one
    two.receive(frame_message(b"") + frame_message(b"\0") + frame_message(b"\4x"), 1.0)
    assert events_of(two) == [Received(4, b"x")]


def test_nothing_can_be_sent_before_the_introduction() -> None:
    with pytest.raises(LocalProtocolError, match="before the introduction"):
        acceptor().send(4, b"", now=0.0)


def test_nothing_happens_after_the_end() -> None:
    one, two = pair()
    two.receive_eof(1.0)
    two.data_to_send()
    one.send(4, b"late", now=2.0)
    two.receive(one.data_to_send(), 2.0)
    two.send(4, b"late", now=2.0)
    two.on_wake(1e9)
    assert events_of(two) == [Closed("connection closed by peer")]
    assert two.data_to_send() == b""
    assert two.next_wake() is None


# Deadlines


def test_header_must_come_within_ten_seconds() -> None:
    wire = acceptor(now=100.0)
    assert wire.next_wake() == 110.0
    wire.receive(b"weave\2", 109.0)
    wire.on_wake(109.9)
    assert events_of(wire) == []
    wire.on_wake(110.0)
    assert events_of(wire) == [Closed("timeout: nothing received while waiting for the protocol header")]


def test_features_must_come_within_a_minute_of_the_flag() -> None:
    wire = acceptor(now=100.0)
    wire.receive(HEADER, 105.0)
    assert wire.next_wake() == 165.0
    wire.receive(b"\0", 164.0)  # part of a length renews nothing
    wire.on_wake(165.0)
    assert events_of(wire) == [Closed("timeout: nothing received while waiting for the features")]


def test_heartbeats_leave_every_thirty_seconds_and_keep_both_ends_alive() -> None:
    ends = pair(now=0.0)
    now, beats = 0.0, 0
    while now < 600:
        wakes = [end.next_wake() for end in ends]
        assert all(wake is not None and wake > now for wake in wakes)
        now = min(wake for wake in wakes if wake is not None)
        for end in ends:
            end.on_wake(now)
        for end, other in (ends, ends[::-1]):
            data = end.data_to_send()
            beats += data.count(frame_message(b"\0"))
            other.receive(data, now)
    assert beats == 2 * 20
    assert [events_of(end) for end in ends] == [[], []]


def test_heartbeats_go_on_after_the_clock_was_set_back() -> None:
    one, two = pair(now=10_000.0)
    two.on_wake(10_030.0)
    one.receive(two.data_to_send(), 6_400.0)
    assert one.next_wake() == 6_430.0
    one.on_wake(6_430.0)
    assert one.data_to_send() == frame_message(b"\0")


def test_silence_of_a_minute_ends_the_connection() -> None:
    one, _ = pair(now=0.0)
    one.receive(frame_message(b"\0"), 50.0)
    for now in (60.0, 90.0, 109.9):
        one.on_wake(now)
    assert events_of(one) == []
    one.on_wake(110.0)
    assert events_of(one) == [Closed("timeout: nothing received while waiting for the messages")]


def test_single_octets_do_not_keep_a_connection_alive() -> None:
    one, _ = pair(now=0.0)
    for second, octet in enumerate(by_octets(frame_message(bytes(100)))):
        one.receive(octet, float(second))
        one.on_wake(float(second))
        if second < 60:
            assert events_of(one) == []
    assert events_of(one) == [Closed("timeout: nothing received while waiting for the messages")]


# Anything else


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            HEADER,
            b"weave\1\2",
            frame_message(TWO.encode()),
            frame_message(b""),
            frame_message(b"\4payload"),
            b"\xff\xff\xff\xff",
            bytes.fromhex(SESSION[0]["messages"][1]["hex"]),
            recorded_stream(SESSION[1])[:900],
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(PIECES, max_size=6), known=st.booleans())
def test_any_octets_lead_to_events_and_at_most_one_end(pieces: list[bytes], known: bool) -> None:
    wire = pair()[0] if known else acceptor()
    for second, piece in enumerate(pieces):
        wire.receive(piece, float(second))
    events = events_of(wire)
    assert all(not isinstance(event, Closed) for event in events[:-1])
    assert sum(isinstance(event, Introduced) for event in events) <= 1
    for event in events:
        assert not isinstance(event, Closed) or event.reason


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=60)), max_size=5),
    cuts=st.lists(st.integers(1, 90), max_size=30),
)
def test_how_octets_are_cut_makes_no_difference(messages: list[tuple[int, bytes]], cuts: list[int]) -> None:
    one, two = WireConnection(initiator=True, features=ONE, now=0.0), acceptor_two(0.0)
    one.receive(two.data_to_send() + HEADER[7:] + frame_message(TWO.encode()), 0.0)
    for tag, payload in messages:
        one.send(tag, payload, 0.0)
    stream = one.data_to_send()
    for cut in cuts:
        two.receive(stream[:cut], 0.0)
        stream = stream[cut:]
    two.receive(stream, 0.0)
    assert events_of(two) == [Introduced(ONE, 3), *(Received(*message) for message in messages)]
