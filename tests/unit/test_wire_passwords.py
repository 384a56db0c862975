"""Introductions with and without password, in both versions, against recorded Go routers and each other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_wire_connection import BOTH, INTROS, ONE, TWO, WAYS, events_of, exchange
from tests.vectors.load import load
from weave_cli.errors import LocalProtocolError, RemoteProtocolError
from weave_cli.router.wire.connection import Closed, Introduced, Received, WireConnection
from weave_cli.router.wire.frames import MAX_FEATURES, MAX_MESSAGE, frame_message
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_messages import frame_gob_message
from weave_cli.router.wire.gob_types import BYTES, STRING, MapOf, SliceOf, StructOf
from weave_cli.router.wire.intro import FEATURES, Features
from weave_cli.router.wire.messages import Tag
from weave_cli.router.wire.session_keys import KEY_SIZE, Seal, Secret

DERIVATIONS = load("session-keys")["vectors"]
FOLLOWED = [
    "v2-plain", "v2-encrypted", "v2-encrypted-unicode-password", "v1-plain (acceptor speaks only 1)",
    "v1-encrypted",
]  # fmt: skip


def secret_of(password: str, seed: int = 1) -> Secret:
    return Secret(password.encode(), random.Random(seed).randbytes(KEY_SIZE))


def wire_of(
    password: str | None, *, initiator: bool = True, lowest_version: int = 1, features: Features = ONE
) -> WireConnection:
    return WireConnection(
        initiator=initiator,
        features=features,
        now=0.0,
        secret=None if password is None else secret_of(password, seed=initiator),
        lowest_version=lowest_version,
    )


def pair(password: str | None, *, version: int = 2) -> tuple[WireConnection, WireConnection]:
    """Two ends introduced to each other; version 1 is what an end that offers no more is spoken to in."""
    ends = wire_of(password), wire_of(password, initiator=False, features=TWO)
    if version == 1:
        for end in ends:
            # As if the header of the other side had offered nothing above version 1.
            end.data_to_send()
            end.receive(b"weave\1\1", 0.0)
    exchange(*ends, 0.0)
    assert [type(event) for end in ends for event in events_of(end)] == [Introduced, Introduced]
    return ends


# Session keys


@pytest.mark.parametrize("vector", DERIVATIONS, ids=[one["password"] for one in DERIVATIONS])
def test_session_keys_and_sealed_messages_are_those_of_go_routers(vector: dict[str, Any]) -> None:
    password = vector["password"].encode()
    ours = {side: Secret(password, bytes.fromhex(vector[f"private_{side}"])) for side in "ab"}
    for side, other in ("ab", "ba"):
        assert ours[side].public_key.hex() == vector[f"public_{side}"]
        remote = bytes.fromhex(vector[f"public_{other}"])
        for role, opposite in (BOTH, BOTH[::-1]):
            seal = ours[side].agree(remote, initiator=role == "initiator")
            assert seal.session_key.hex() == vector["session_key"]
            for sent in vector[f"sealed_by_{role}"]:
                assert seal.seal(bytes.fromhex(sent["plain"])).hex() == sent["sealed"]
            for sent in vector[f"sealed_by_{opposite}"]:
                assert seal.open(bytes.fromhex(sent["sealed"])).hex() == sent["plain"]


@pytest.mark.parametrize(
    "public_key", [bytes(KEY_SIZE), b"\1" + bytes(KEY_SIZE - 1)], ids=["zero", "of small order"]
)
def test_key_that_forces_the_shared_one_is_refused(public_key: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="public key"):
        secret_of("wEaVe").agree(public_key, initiator=True)


def test_secrets_do_not_show_themselves() -> None:
    secret = secret_of("wEaVe")
    (introduced, _) = (event for end in pair_without_check() for event in events_of(end))
    assert isinstance(introduced, Introduced)
    assert introduced.session_key is not None
    for text in (repr(secret), repr(introduced), repr(Seal(bytes(32), initiator=True))):
        assert "wEaVe" not in text
        assert repr(introduced.session_key) not in text


def pair_without_check() -> tuple[WireConnection, WireConnection]:
    ends = wire_of("wEaVe"), wire_of("wEaVe", initiator=False, features=TWO)
    exchange(*ends, 0.0)
    return ends


# Recorded Go routers


def replayed(vector: dict[str, Any], side: str, stream: str) -> WireConnection:
    """Our end in the place of a recorded side: its features, password, key pair and versions."""
    sent = bytes.fromhex(vector[side]["sent_hex"])
    password = vector[f"password_{side}"]
    secret = None
    if password:
        (private_key,) = (
            bytes.fromhex(one["private"]) for one in vector["keypairs"] if one["public"] in stream
        )
        secret = Secret(password.encode(), private_key)
    return WireConnection(
        initiator=side == "initiator",
        features=Features.from_map(vector[side]["features_sent"]),
        now=0.0,
        secret=secret,
        lowest_version=sent[5],
    )


def stream_to(vector: dict[str, Any], side: str) -> bytes:
    """What that side received; where it offered version 1 only, we offer more, and the other must not."""
    own = bytes.fromhex(vector[side]["sent_hex"])
    other = bytes.fromhex(vector[next(one for one in BOTH if one != side)]["sent_hex"])
    return other[:6] + bytes((min(own[6], other[6]),)) + other[7:]


def key_stream(vector: dict[str, Any], side: str) -> str:
    """Where the public key of a side shows in what it sent; in version 1 as the hex of hex digits."""
    text: str = vector[side]["sent_hex"]
    return text + bytes.fromhex(text).decode("latin-1")


@WAYS
@pytest.mark.parametrize("side", BOTH)
@pytest.mark.parametrize("name", FOLLOWED)
def test_recorded_introduction_is_followed(
    name: str, side: str, cut: Callable[[bytes], Iterable[bytes]]
) -> None:
    vector = INTROS[name]
    other = next(one for one in BOTH if one != side)
    wire = replayed(vector, side, key_stream(vector, side))
    for piece in cut(stream_to(vector, side)):
        wire.receive(piece, 1.0)
    introduced, *received = events_of(wire)
    assert isinstance(introduced, Introduced)
    parsed = vector[side]["features_received_parsed"]
    assert introduced.features == Features.from_map(parsed)
    assert introduced.connection_uid == int(parsed["ConnID"]) ^ int(vector[side]["features_sent"]["ConnID"])
    key = introduced.session_key
    assert (None if key is None else key.hex()) == vector[side].get("session_key")
    messages = [bytes.fromhex(one) for one in vector[f"messages_after_intro_{other}"]]
    assert received == [Received(one[0], one[1:]) for one in messages if one[0] != Tag.HEARTBEAT]


@pytest.mark.parametrize("side", BOTH)
@pytest.mark.parametrize("name", FOLLOWED)
def test_what_we_send_is_what_the_recorded_side_sent(name: str, side: str) -> None:
    """But for the order of the features, which Go draws by lot: sizes are the same, and all behind it."""
    vector = INTROS[name]
    wire = replayed(vector, side, key_stream(vector, side))
    wire.receive(stream_to(vector, side), 1.0)
    for message in map(bytes.fromhex, vector[f"messages_after_intro_{side}"]):
        wire.send(message[0], message[1:], 1.0)
    ours, theirs = wire.data_to_send(), bytes.fromhex(vector[side]["sent_hex"])
    sizes = vector[side]["write_sizes"]
    behind = sum(sizes[-len(vector[f"messages_after_intro_{side}"]) :])
    before = 40 if vector[f"password_{side}"] and vector[side]["version"] == 2 else 7
    assert len(ours) == len(theirs) == sum(sizes)
    assert ours[5:before] == theirs[5:before] or ours[6] != theirs[6]
    assert ours[-behind:] == theirs[-behind:]


REFUSED = [
    ("v2-wrong-password", "acceptor", "Unable to decrypt TCP msg: the password of the peer is not ours"),
    (
        "v2-password-only-initiator",
        "acceptor",
        "no password specified, but peer requested an encrypted connection: it was launched with a password",
    ),
    (
        "v2-password-only-acceptor",
        "acceptor",
        "password specified, but peer requested an unencrypted connection: it was launched without password",
    ),
    (
        "v1-password-only-initiator",
        "initiator",
        "password specified, but peer requested an unencrypted connection: it was launched without password",
    ),
    (
        "v1-password-only-initiator",
        "acceptor",
        "no password specified, but peer requested an encrypted connection: it was launched with a password",
    ),
    # The side that the recorded one left before its own part of the quarrel arrived.
    (
        "v2-wrong-password",
        "initiator",
        "connection closed by peer while waiting for the features; does it have our password?",
    ),
    (
        "v2-password-only-initiator",
        "initiator",
        "connection closed by peer while waiting for the encryption flag; "
        "were both launched with a password, or both without?",
    ),
    (
        "v2-password-only-acceptor",
        "initiator",
        "no password specified, but peer requested an encrypted connection: it was launched with a password",
    ),
    ("no-common-version", "acceptor", "no common protocol version (ours: 2..2, theirs: 1..1)"),
]


@WAYS
@pytest.mark.parametrize(("name", "side", "reason"), REFUSED)
def test_recorded_introduction_that_failed_is_refused_with_the_reason(
    name: str, side: str, reason: str, cut: Callable[[bytes], Iterable[bytes]]
) -> None:
    vector = INTROS[name]
    wire = replayed(vector, side, "".join(one["public"] for one in vector.get("keypairs", ())[:1]))
    for piece in cut(stream_to(vector, side)):
        wire.receive(piece, 1.0)
    wire.receive_eof(1.0)
    assert events_of(wire) == [Closed(reason)]
    assert wire.next_wake() is None


def test_every_recorded_introduction_is_judged() -> None:
    judged = {(name, side) for name in FOLLOWED for side in BOTH} | {
        (name, side) for name, side, _ in REFUSED
    }
    # Nobody here speaks version 1 only.
    assert judged | {("no-common-version", "initiator")} == {(name, side) for name in INTROS for side in BOTH}


# Between two of ours


@pytest.mark.parametrize("password", [None, "wEaVe", "pässwörd ☃"])
@pytest.mark.parametrize("version", [1, 2])
def test_both_ends_are_introduced_and_messages_come_over(version: int, password: str | None) -> None:
    one, two = pair(password, version=version)
    for sender, receiver in ((one, two), (two, one)):
        for number in range(20):
            sender.send(Tag.GOSSIP, bytes(number * 700), now=1.0)
        sender.on_wake(30.0)
        stream = sender.data_to_send()
        for at in range(0, len(stream), 1000):
            receiver.receive(stream[at : at + 1000], 30.0)
        assert events_of(receiver) == [Received(Tag.GOSSIP, bytes(number * 700)) for number in range(20)]


def test_keys_are_the_same_at_both_ends_and_others_each_time() -> None:
    def keys(seed: int) -> list[bytes | None]:
        ends = [
            WireConnection(initiator=True, features=ONE, now=0.0, secret=secret_of("wEaVe", seed)),
            WireConnection(initiator=False, features=TWO, now=0.0, secret=secret_of("wEaVe", seed + 1)),
        ]
        exchange(ends[0], ends[1], 0.0)
        return [
            event.session_key for end in ends for event in events_of(end) if isinstance(event, Introduced)
        ]

    first, second = keys(1), keys(2)
    assert first[0] == first[1] != second[0] == second[1]


def test_version_1_tells_five_things_only() -> None:
    wire = wire_of("wEaVe")
    wire.data_to_send()
    wire.receive(b"weave\1\1", 1.0)
    features, public_key = Features.decode_version_1(wire.data_to_send())
    assert features == Features(name=ONE.name, nickname=ONE.nickname, uid=ONE.uid, conn_id=ONE.conn_id)
    assert public_key == secret_of("wEaVe", seed=True).public_key


def test_nothing_of_a_sealed_connection_is_sent_in_clear() -> None:
    one, two = wire_of("wEaVe"), wire_of("wEaVe", initiator=False, features=TWO)
    sent = b""
    while data := one.data_to_send():
        sent += data
        two.receive(data, 0.0)
        one.receive(two.data_to_send(), 0.0)
    one.send(Tag.GOSSIP, b"nobody may read this", 1.0)
    sent += one.data_to_send()
    assert b"NickName" not in sent
    assert b"nobody may" not in sent


@pytest.mark.parametrize("version", [1, 2])
def test_different_passwords_are_seen_at_both_ends(version: int) -> None:
    one, two = wire_of("wEaVe"), wire_of("w3av3", initiator=False, features=TWO)
    if version == 1:
        for end in (one, two):
            end.data_to_send()
            end.receive(b"weave\1\1", 0.0)
    exchange(one, two, 0.0)
    if version == 1:  # features are in clear there; the first message shows it
        for end in (one, two):
            (introduced,) = events_of(end)
            assert isinstance(introduced, Introduced)
            end.send(Tag.HEARTBEAT, b"", 1.0)
        exchange(one, two, 1.0)
    reason = "Unable to decrypt TCP msg: the password of the peer is not ours"
    assert [events_of(end) for end in (one, two)] == [[Closed(reason)], [Closed(reason)]]


@pytest.mark.parametrize("version", [1, 2])
def test_password_on_one_side_is_seen_at_both_ends(version: int) -> None:
    one, two = wire_of("wEaVe"), wire_of(None, initiator=False, features=TWO)
    if version == 1:
        for end in (one, two):
            end.data_to_send()
            end.receive(b"weave\1\1", 0.0)
    exchange(one, two, 0.0)
    (with_password,), (without) = events_of(one), events_of(two)
    assert isinstance(with_password, Closed)
    assert "password specified, but peer requested an unencrypted" in with_password.reason
    assert isinstance(without[0], Closed)
    assert "no password specified, but peer requested an encrypted" in without[0].reason


# Attacks


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("damage", ["bit", "replay", "reflection", "order"])
def test_damaged_message_ends_the_connection(damage: str, version: int) -> None:
    one, two = pair("wEaVe", version=version)
    for end in (one, two):
        end.send(Tag.GOSSIP, b"first", 1.0)
    first, reflected = one.data_to_send(), two.data_to_send()
    one.send(Tag.GOSSIP, b"other", 1.0)
    second = one.data_to_send()
    stream = {
        "bit": first + second[:-1] + bytes((second[-1] ^ 1,)),
        "replay": first + first,
        "reflection": reflected,
        "order": second,
    }[damage]
    two.receive(stream, 1.0)
    *received, closed = events_of(two)
    assert received == ([Received(Tag.GOSSIP, b"first")] if stream.startswith(first) else [])
    assert isinstance(closed, Closed)
    assert closed.reason.startswith("Unable to decrypt TCP msg")


def test_key_of_small_order_ends_the_connection() -> None:
    wire = wire_of("wEaVe", initiator=False)
    wire.receive(b"weave\1\2\1" + bytes(32), 1.0)
    assert events_of(wire) == [Closed("the peer's public key is none")]


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, "é" * 64, "0" * 65])
def test_public_key_of_version_1_must_be_one(key: str) -> None:
    wire = wire_of("wEaVe", initiator=False)
    wire.receive(b"weave\1\1" + encode_stream((FEATURES, TWO.to_map() | {"PublicKey": key})), 1.0)
    (closed,) = events_of(wire)
    assert isinstance(closed, Closed)
    assert "PublicKey is no key" in closed.reason


def test_largest_message_counts_sealed() -> None:
    one, two = pair("wEaVe")
    overhead = len(frame_message(b"")) + 16 - 4
    one.send(4, bytes(MAX_MESSAGE - overhead - 1), now=1.0)
    two.receive(one.data_to_send(), 1.0)
    (event,) = events_of(two)
    assert isinstance(event, Received)
    with pytest.raises(LocalProtocolError, match="exceeds the limit"):
        one.send(4, bytes(MAX_MESSAGE - overhead), now=1.0)


def test_largest_message_of_version_1_comes_over() -> None:
    one, two = pair(None, version=1)
    one.send(4, bytes(MAX_MESSAGE - 100), now=1.0)
    two.receive(one.data_to_send(), 1.0)
    (event,) = events_of(two)
    assert isinstance(event, Received)
    assert len(event.payload) == MAX_MESSAGE - 100


def version_1_acceptor() -> WireConnection:
    wire = wire_of(None, initiator=False)
    wire.receive(b"weave\1\1", 1.0)
    return wire


def test_types_of_version_1_cannot_grow_without_bound() -> None:
    wire = version_1_acceptor()
    names = 0
    while not (events := events_of(wire)):
        names += 1
        struct = StructOf(f"T{names}", ((f"F{names}", STRING),))
        definition = encode_stream((SliceOf(struct), []))[: -4 if names < 100 else None]
        wire.receive(definition, 1.0)
        assert names < MAX_FEATURES
    (closed,) = events
    assert isinstance(closed, Closed)


def test_definitions_that_never_end_are_refused_at_the_limit() -> None:
    wire = version_1_acceptor()
    body = b"\xff\x83" + b"\1" * 60  # defines a type, with nonsense behind it: never looked at before a value
    for _ in range(MAX_FEATURES // (len(body) + 1) + 1):
        wire.receive(bytes((len(body),)) + body, 1.0)
    (closed,) = events_of(wire)
    assert isinstance(closed, Closed)
    assert "exceeds the limit" in closed.reason


def test_version_1_takes_no_definition_after_the_features() -> None:
    _, two = pair(None, version=1)
    two.receive(encode_stream((MapOf(STRING, BYTES), {"a": b"b"})), 1.0)
    (closed,) = events_of(two)
    assert isinstance(closed, Closed)
    assert "gob" in closed.reason


@pytest.mark.parametrize(
    "piece",
    [
        b"\xf7" + b"\xff" * 9,  # a count of nine octets
        b"\xf8" + b"\xff" * 8,  # 16 exbioctets
        b"\xfc\x7f\xff\xff\xff",
        b"\0",
        b"\2\x0a\0",  # octets without their number
        b"\5\x0a\0\xfe\xff\xff",  # more octets than the message has
        b"\5\x0a\0\1xx",
        frame_gob_message(b"x")[:-1],
    ],
)
def test_sizes_that_cannot_be_are_refused_at_once(piece: bytes) -> None:
    _, two = pair(None, version=1)
    two.receive(piece, 1.0)
    two.receive_eof(1.0)
    (closed,) = events_of(two)
    assert isinstance(closed, Closed)


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"weave\1\1",
            b"weave\1\2",
            b"\1" + secret_of("wEaVe").public_key,
            encode_stream((FEATURES, TWO.to_map())),
            encode_stream((FEATURES, TWO.to_map() | {"PublicKey": secret_of("x").public_key.hex()})),
            frame_gob_message(b"\4payload"),
            frame_gob_message(bytes(16)),
            frame_message(bytes(40)),
        ]
    ),
)


@settings(max_examples=400, deadline=None)
@given(
    pieces=st.lists(PIECES, max_size=7),
    password=st.sampled_from([None, "wEaVe"]),
    known=st.sampled_from([None, 1, 2]),
)
def test_any_octets_lead_to_events_and_at_most_one_end(
    pieces: list[bytes], password: str | None, known: int | None
) -> None:
    wire = wire_of(password, initiator=False) if known is None else pair(password, version=known)[1]
    for second, piece in enumerate(pieces):
        wire.receive(piece, float(second))
    events = events_of(wire)
    assert all(not isinstance(event, Closed) for event in events[:-1])
    assert sum(isinstance(event, Introduced) for event in events) <= 1
    if known and password:
        assert not any(isinstance(event, Received) for event in events)


@settings(max_examples=80, deadline=None)
@given(
    messages=st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=200)), max_size=6),
    cuts=st.lists(st.integers(1, 150), max_size=30),
    password=st.sampled_from([None, "", "wEaVe"]),
    version=st.sampled_from([1, 2]),
)
def test_how_octets_are_cut_makes_no_difference(
    messages: list[tuple[int, bytes]], cuts: list[int], password: str | None, version: int
) -> None:
    one, two = pair(password, version=version)
    for tag, payload in messages:
        one.send(tag, payload, 0.0)
    stream = one.data_to_send()
    for cut in cuts:
        two.receive(stream[:cut], 0.0)
        stream = stream[cut:]
    two.receive(stream, 0.0)
    assert events_of(two) == [Received(*message) for message in messages]
