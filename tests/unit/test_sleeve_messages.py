"""Messages between router and sleeve process: what one end encodes the other end reads."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_cli.names import PeerName
from weave_cli.router.overlay.roles import Carriage
from weave_cli.router.sleeve.message_codec import decode_message, encode_message
from weave_cli.router.sleeve.messages import (
    LARGEST_MESSAGE,
    ForgetNeighbour,
    MacForgotten,
    Message,
    SendSpecial,
    SetNeighbour,
    SetRoutes,
    ToProcess,
    ToRouter,
)

MACS = st.binary(min_size=6, max_size=6)
PEERS = st.integers(0, 2**48 - 1).map(PeerName)
CONN_IDS = st.integers(0, 2**64 - 1)
#: Neither 0.0.0.0 nor port 0 is anybody's address.
ADDRESSES = st.tuples(
    st.ip_addresses(v=4).map(str).filter(lambda text: text != "0.0.0.0"), st.integers(1, 65535)
)

_FIELDS: dict[str, st.SearchStrategy[object]] = {
    "conn_id": CONN_IDS,
    "name": PEERS,
    "source": PEERS,
    "peer": PEERS,
    "address": ADDRESSES,
    "session_key": st.none() | st.binary(min_size=32, max_size=32),
    "is_initiator": st.booleans(),
    "mtu": st.integers(0, 65535),
    "max_payload": st.integers(0, 65507),
    "path_mtu": st.integers(0, 65535),
    "fragments_pass": st.booleans(),
    "carriage": st.sampled_from(Carriage),
    "vxlan_address": st.none() | ADDRESSES,
    "dont_fragment": st.booleans(),
    "unicast": st.dictionaries(PEERS, PEERS),
    "broadcast": st.lists(PEERS).map(tuple),
    "next_hops": st.lists(PEERS).map(tuple),
    "frame": st.binary() | st.integers(0, 65535).map(bytes),
    "reason": st.text(),
    "mac": MACS,
    "vni": st.integers(0, 2**24 - 1),
    "members": st.frozensets(PEERS),
}

MESSAGES: st.SearchStrategy[Message] = st.one_of(
    *(
        st.builds(kind, **{field: _FIELDS[field] for field in kind.__dataclass_fields__})
        for kind in (*get_args(ToProcess), *get_args(ToRouter))
    )
)


@given(MESSAGES)
def test_every_message_survives_the_way(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


def test_a_neighbour_without_an_address_survives_the_way() -> None:

    message = SetNeighbour(
        conn_id=1,
        name=PeerName(1),
        address=None,
        session_key=None,
        is_initiator=False,
        mtu=65535,
        max_payload=65507,
        fragments_pass=False,
    )
    assert decode_message(encode_message(message)) == message


@given(st.binary(max_size=100))
def test_octets_that_are_no_message_raise_value_errors_only(packet: bytes) -> None:
    try:
        decode_message(packet)
    except ValueError:
        pass


@pytest.mark.parametrize("packet", [b"", b"\0", b"\xff", encode_message(ForgetNeighbour(conn_id=1))[:-1]])
def test_what_is_wrong_is_named(packet: bytes) -> None:
    with pytest.raises(ValueError, match="no message between router and sleeve process"):
        decode_message(packet)


def test_a_big_test_frame_is_a_small_message() -> None:
    message = SendSpecial(conn_id=1, frame=bytes(60001), dont_fragment=False)
    assert len(encode_message(message)) < 32


def test_routes_of_a_very_large_mesh_fit() -> None:
    unicast = {PeerName(number): PeerName(number) for number in range(10_000)}
    assert len(encode_message(SetRoutes(unicast=unicast, broadcast=tuple(unicast)))) < LARGEST_MESSAGE


@given(MACS)
def test_a_mac_keeps_its_zeros(mac: bytes) -> None:
    assert decode_message(encode_message(MacForgotten(mac=mac))) == MacForgotten(mac=mac)
