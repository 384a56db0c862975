"""Which forwarding entries connections ask for, addresses of devices, heartbeats as octets, negotiation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weave_cli.names import PeerName
from weave_cli.router.overlay.device_macs import bridge_mac, heartbeat_mac, overlay_mac
from weave_cli.router.overlay.forwarding import FLOOD_MAC, RELAY_MAC, FdbEntry, Forwarding, ForwardingPlan
from weave_cli.router.overlay.heartbeat import (
    Heartbeat,
    HeartbeatKind,
    decode_acknowledgement,
    decode_heartbeat,
    encode_acknowledgement,
    encode_heartbeat,
)
from weave_cli.router.overlay.roles import Carriage, Neighbour, negotiate

ONE, TWO = PeerName(0x7A0000000001), PeerName(0x7A0000000002)
HEARTBEAT = Heartbeat(kind=HeartbeatKind.PLAIN, uid=0x0102030405060708, sender=ONE, destination=TWO, number=9)


def neighbour(conn_id: int, name: PeerName, address: str) -> Neighbour:
    return Neighbour(conn_id=conn_id, uid=conn_id, name=name, nickname="", address=address, udp_port=6784)


BEAT = FdbEntry(overlay_mac(TWO), "10.0.0.2")
FLOOD = FdbEntry(FLOOD_MAC, "10.0.0.2")
RELAY = FdbEntry(RELAY_MAC, "10.0.0.2")


@pytest.fixture
def plan() -> ForwardingPlan:
    made = ForwardingPlan()
    made.add(neighbour(1, TWO, "10.0.0.2"))
    return made


def test_a_new_connection_is_reached_but_carries_nothing(plan: ForwardingPlan) -> None:
    assert plan.wanted() == Forwarding(entries=frozenset({BEAT}), heard=frozenset({heartbeat_mac(TWO)}))
    assert plan.carriage("10.0.0.2") is Carriage.NOTHING


def test_one_that_carries_is_flooded(plan: ForwardingPlan) -> None:
    plan.carry(1)
    assert plan.wanted().entries == {BEAT, FLOOD}
    assert plan.wanted().carried == {"10.0.0.2"}
    assert plan.carriage("10.0.0.2") is Carriage.EVERYTHING


def test_a_relay_is_not_flooded(plan: ForwardingPlan) -> None:
    plan.set_relays(frozenset({TWO}))
    assert plan.carriage("10.0.0.2") is Carriage.NOTHING
    plan.carry(1)
    assert plan.wanted().entries == {BEAT, RELAY}
    assert plan.wanted().carried == {"10.0.0.2"}
    assert plan.carriage("10.0.0.2") is Carriage.UNICAST
    plan.set_relays(frozenset())
    assert plan.carriage("10.0.0.2") is Carriage.EVERYTHING


def test_an_address_stays_as_long_as_one_connection_needs_it(plan: ForwardingPlan) -> None:
    plan.carry(1)
    plan.add(neighbour(2, TWO, "10.0.0.2"))
    plan.carry(2)
    both = plan.wanted()
    plan.remove(1)
    assert plan.wanted() == both
    plan.remove(2)
    assert plan.wanted() == Forwarding()


def test_a_connection_that_ended_carries_nothing_by_a_late_event(plan: ForwardingPlan) -> None:
    plan.remove(1)
    plan.remove(1)
    plan.carry(1)
    plan.hold(1)
    assert plan.wanted() == Forwarding()


def test_the_later_connection_decides_where_heartbeats_go(plan: ForwardingPlan) -> None:
    plan.add(neighbour(2, TWO, "10.9.0.2"))
    assert plan.wanted().entries == {FdbEntry(overlay_mac(TWO), "10.9.0.2")}


@pytest.mark.parametrize(
    ("mark", "carriage"), [(FLOOD, Carriage.EVERYTHING), (RELAY, Carriage.UNICAST), (BEAT, Carriage.NOTHING)]
)
def test_what_an_earlier_run_carried_is_carried_on(mark: FdbEntry, carriage: Carriage) -> None:
    plan = ForwardingPlan()
    plan.inherit({BEAT, mark})
    assert plan.wanted().entries == {BEAT, mark}
    assert plan.carriage("10.0.0.2") is carriage
    plan.add(neighbour(1, TWO, "10.0.0.2"))
    assert plan.carriage("10.0.0.2") is carriage, "until the new connection tells"
    plan.inherit(())
    assert plan.wanted().entries == {BEAT}
    assert plan.carriage("10.0.0.2") is Carriage.NOTHING


def test_a_held_path_ends_what_earlier_connections_and_runs_left(plan: ForwardingPlan) -> None:
    plan.inherit({FLOOD})
    plan.carry(1)
    plan.add(neighbour(2, TWO, "10.0.0.2"))
    plan.hold(2)
    assert plan.wanted().entries == {BEAT}
    assert plan.carriage("10.0.0.2") is Carriage.NOTHING
    plan.carry(2)
    assert plan.carriage("10.0.0.2") is Carriage.EVERYTHING


def test_a_peer_that_others_lead_to_is_left_when_its_connection_has_ended(plan: ForwardingPlan) -> None:
    plan.carry(1)
    assert not plan.lingers(frozenset({TWO})), "it is connected"
    plan.leave(frozenset({TWO}))
    assert plan.wanted().entries == {BEAT, FLOOD}
    plan.end(1)
    assert plan.lingers(frozenset({TWO})) and not plan.lingers(frozenset({ONE}))
    plan.leave(frozenset({ONE}))
    assert plan.wanted().entries == {BEAT, FLOOD}
    plan.leave(frozenset({TWO}))
    assert plan.wanted() == Forwarding() and not plan.lingers(frozenset({TWO}))


def test_a_peer_of_an_earlier_run_that_others_lead_to_is_left() -> None:
    plan = ForwardingPlan()
    other = FdbEntry(FLOOD_MAC, "10.0.0.3")
    plan.inherit({BEAT, FLOOD, other})
    assert plan.lingers(frozenset({TWO}))
    plan.leave(frozenset({TWO}))
    assert plan.wanted().entries == {other}


def test_the_bridge_bears_the_peers_name() -> None:
    assert bridge_mac(ONE) == "7a:00:00:00:00:01"


@given(st.integers(0, (1 << 48) - 1))
@settings(max_examples=200)
def test_every_name_gives_addresses_that_devices_may_have(name: int) -> None:
    macs = [of(PeerName(name)) for of in (bridge_mac, overlay_mac, heartbeat_mac)]
    for mac in macs:
        first = int(mac[:2], 16)
        assert first & 1 == 0 and mac != FLOOD_MAC and len(mac) == 17
    assert len(set(macs)) == 3


def test_a_heartbeat_looks_like_this() -> None:
    to, source = (mac.replace(":", "") for mac in (overlay_mac(TWO), heartbeat_mac(ONE)))
    assert encode_heartbeat(HEARTBEAT).hex() == (
        to + source + "88b5" + "01" + "00" + "0102030405060708" + "7a0000000001" + "7a0000000002" + "00000009"
    )


def test_padding_does_not_matter() -> None:
    frame = encode_heartbeat(HEARTBEAT, 1464)
    assert len(frame) == 1464 and decode_heartbeat(frame) == HEARTBEAT


def test_other_frames_of_the_ethertype_are_no_heartbeats() -> None:
    frame = bytearray(encode_heartbeat(HEARTBEAT))
    assert all(decode_heartbeat(bytes(frame[:size])) is None for size in range(len(frame)))
    for position, octet in ((14, 2), (15, 3)):
        other = bytearray(frame)
        other[position] = octet
        assert decode_heartbeat(bytes(other)) is None


@given(st.binary(max_size=80))
@settings(max_examples=200)
def test_no_frame_breaks_the_decoder(frame: bytes) -> None:
    decode_heartbeat(frame)


def test_an_acknowledgement_names_kind_and_number() -> None:
    assert encode_acknowledgement(HEARTBEAT).hex() == "0000000009"
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
