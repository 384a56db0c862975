"""Gossip envelopes, octet for octet as Go routers write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.load import load
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, parse_peer_name
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_types import BYTES, STRING, UINT
from weave_cli.router.wire.messages import (
    Gossip,
    OverlayControl,
    Tag,
    Unicast,
    decode_gossip,
    decode_overlay_control,
    decode_unicast,
    encode_gossip,
    encode_overlay_control,
    encode_unicast,
)

VECTORS: list[dict[str, Any]] = load("gossip-envelopes")["vectors"]
DECODERS: list[Callable[[bytes], object]] = [decode_gossip, decode_unicast, decode_overlay_control]


@pytest.mark.parametrize(
    "vector",
    VECTORS,
    ids=lambda one: f"{one['name']}-{one['decoded']['channel'][:12]}-{len(one['message_hex'])}",
)
def test_envelopes_are_the_go_routers(vector: dict[str, Any]) -> None:
    octets, decoded = bytes.fromhex(vector["message_hex"]), vector["decoded"]
    assert octets[0] == decoded["tag"]
    source, data = parse_peer_name(decoded["source"]), bytes.fromhex(decoded["payload"])
    if octets[0] == Tag.UNICAST:
        unicast = Unicast(decoded["channel"], source, parse_peer_name(decoded["dest"]), data)
        assert decode_unicast(octets[1:]) == unicast
        assert encode_unicast(unicast) == octets[1:]
    else:
        gossip = Gossip(decoded["channel"], source, data)
        assert decode_gossip(octets[1:]) == gossip
        assert encode_gossip(gossip) == octets[1:]


@given(
    channel=st.text(max_size=20),
    names=st.tuples(*[st.integers(0, (1 << 48) - 1).map(PeerName)] * 2),
    data=st.binary(max_size=60),
)
def test_every_message_comes_back(channel: str, names: tuple[PeerName, PeerName], data: bytes) -> None:
    gossip, unicast = Gossip(channel, names[0], data), Unicast(channel, *names, data)
    assert decode_gossip(encode_gossip(gossip)) == gossip
    assert decode_unicast(encode_unicast(unicast)) == unicast
    control = OverlayControl(names[0] & 255, names[1] & 255, data)
    assert decode_overlay_control(encode_overlay_control(control)) == control


@pytest.mark.parametrize("payload", [b"", b"\0"])
def test_overlay_control_too_short_to_name_its_overlay_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=f"overlay control message of {len(payload)} octets"):
        decode_overlay_control(payload)


def test_peer_name_of_more_than_six_octets_is_refused() -> None:
    long = encode_stream((STRING, "topology"), (UINT, 1 << 48), (BYTES, b""))
    with pytest.raises(RemoteProtocolError, match="0x1000000000000"):
        decode_gossip(long)


def test_gossip_is_no_unicast_and_no_part_is_left_over() -> None:
    gossip = encode_gossip(Gossip("topology", PeerName(1), b"x"))
    unicast = encode_unicast(Unicast("topology", PeerName(1), PeerName(2), b"x"))
    for decode, octets in ((decode_unicast, gossip), (decode_gossip, unicast), (decode_gossip, gossip * 2)):
        with pytest.raises(RemoteProtocolError):
            decode(octets)


@given(st.binary(max_size=60), st.integers(0, 45), st.integers(0, 200))
def test_garbage_is_refused_with_a_reason(data: bytes, pick: int, cut: int) -> None:
    recorded = bytes.fromhex(VECTORS[pick]["message_hex"])[1:]
    for octets in (data, recorded[:cut], recorded[:cut] + data):
        for decode in DECODERS:
            try:
                decode(octets)
            except RemoteProtocolError as problem:
                assert str(problem)
