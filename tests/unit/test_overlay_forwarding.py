"""Which forwarding entries connections ask for, addresses of devices, heartbeats as octets, negotiation."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from weave_cli.names import PeerName
from weave_cli.router.overlay.device_macs import bridge_mac, overlay_mac
from weave_cli.router.overlay.forwarding import FLOOD_MAC, FdbEntry, ForwardingPlan
from weave_cli.router.overlay.heartbeat import (
    Heartbeat,
    HeartbeatKind,
    decode_acknowledgement,
    decode_heartbeat,
    encode_acknowledgement,
    encode_heartbeat,
)
from weave_cli.router.overlay.roles import Neighbour, negotiate

ONE, TWO = PeerName(0x7A0000000001), PeerName(0x7A0000000002)
BEAT = Heartbeat(kind=HeartbeatKind.PLAIN, uid=0x0102030405060708, sender=ONE, destination=TWO, number=9)


def neighbour(conn_id: int, name: PeerName, address: str) -> Neighbour:
    return Neighbour(conn_id=conn_id, uid=conn_id, name=name, nickname="", address=address, udp_port=6784)


def test_a_new_connection_is_reached_but_not_flooded() -> None:
    plan = ForwardingPlan()
    plan.add(neighbour(1, TWO, "10.0.0.2"))
    assert plan.wanted() == {FdbEntry(overlay_mac(TWO), "10.0.0.2")}


def test_an_established_one_is_flooded() -> None:
    plan = ForwardingPlan()
    plan.add(neighbour(1, TWO, "10.0.0.2"))
    plan.flood(1)
    assert FdbEntry(FLOOD_MAC, "10.0.0.2") in plan.wanted()


def test_an_address_stays_as_long_as_one_connection_needs_it() -> None:
    plan = ForwardingPlan()
    for conn_id in (1, 2):
        plan.add(neighbour(conn_id, TWO, "10.0.0.2"))
        plan.flood(conn_id)
    both = plan.wanted()
    plan.remove(1)
    assert plan.wanted() == both
    plan.remove(2)
    assert plan.wanted() == frozenset()


def test_a_connection_that_ended_is_not_flooded_by_a_late_event() -> None:
    plan = ForwardingPlan()
    plan.add(neighbour(1, TWO, "10.0.0.2"))
    plan.remove(1)
    plan.remove(1)
    plan.flood(1)
    assert plan.wanted() == frozenset()


def test_the_later_connection_decides_where_heartbeats_go() -> None:
    plan = ForwardingPlan()
    plan.add(neighbour(1, TWO, "10.0.0.2"))
    plan.add(neighbour(2, TWO, "10.9.0.2"))
    assert plan.wanted() == {FdbEntry(overlay_mac(TWO), "10.9.0.2")}


def test_the_bridge_bears_the_peers_name() -> None:
    assert bridge_mac(ONE) == "7a:00:00:00:00:01"


@given(st.integers(0, (1 << 48) - 1))
@settings(max_examples=200)
def test_every_name_gives_addresses_that_devices_may_have(name: int) -> None:
    macs = [bridge_mac(PeerName(name)), overlay_mac(PeerName(name))]
    for mac in macs:
        first = int(mac[:2], 16)
        assert first & 1 == 0 and mac != FLOOD_MAC and len(mac) == 17
    assert macs[0] != macs[1]


def test_a_heartbeat_looks_like_this() -> None:
    to, source = overlay_mac(TWO).replace(":", ""), "7a0000000001"
    assert encode_heartbeat(BEAT).hex() == (
        to + source + "88b5" + "01" + "00" + "0102030405060708" + "7a0000000001" + "7a0000000002" + "00000009"
    )


def test_padding_does_not_matter() -> None:
    frame = encode_heartbeat(BEAT, 1464)
    assert len(frame) == 1464 and decode_heartbeat(frame) == BEAT


def test_other_frames_of_the_ethertype_are_no_heartbeats() -> None:
    frame = bytearray(encode_heartbeat(BEAT))
    assert all(decode_heartbeat(bytes(frame[:size])) is None for size in range(len(frame)))
    for position, octet in ((14, 2), (15, 2)):
        other = bytearray(frame)
        other[position] = octet
        assert decode_heartbeat(bytes(other)) is None


@given(st.binary(max_size=80))
@settings(max_examples=200)
def test_no_frame_breaks_the_decoder(frame: bytes) -> None:
    decode_heartbeat(frame)


def test_an_acknowledgement_names_kind_and_number() -> None:
    assert encode_acknowledgement(BEAT).hex() == "0000000009"
    assert decode_acknowledgement(bytes.fromhex("0100000007ffff")) == (1, 7)
    assert decode_acknowledgement(b"\0\0\0\0") is None


def test_common_overlays_come_in_one_order_at_both_ends() -> None:
    assert negotiate(("sleeve", "vxlan"), ("x", "fastdp", "sleeve", "vxlan")) == ("vxlan", "sleeve")
    assert negotiate(("vxlan",), ("fastdp", "sleeve")) == ()


@given(
    st.lists(st.sampled_from(["vxlan", "fastdp", "sleeve", "y"])),
    st.lists(st.sampled_from(["vxlan", "sleeve"])),
)
@settings(max_examples=50)
def test_both_ends_agree_whoever_asks(ours: list[str], theirs: list[str]) -> None:
    assert negotiate(ours, theirs) == negotiate(theirs, ours)
