"""Frames of realms in the carrier: each in its own bridge, marked on the way, to those only that have it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_overlay_ip import DF, ip_frame
from tests.unit.test_sleeve_carrier import (
    ADDRESS_A,
    ADDRESS_B,
    ALL,
    NOW,
    US,
    A,
    B,
    C,
    Host,
    RealmBridge,
    arp,
    mac,
    neighbour,
    packet,
)
from weave_cli.router.overlay.realm_frames import mark_frame, mark_of, unmark_frame, vni_of
from weave_cli.router.overlay.roles import Carriage
from weave_cli.router.overlay.sleeve_packets import PeerFrame
from weave_cli.router.sleeve.messages import ForgetRealm, MacForgotten, MacLearned, SetRealm

RED, BLUE = 0xAA0001, 0xBB0002
RED_FD, BLUE_FD = 101, 102


class RealmHost(Host):
    """Has realm RED, as A and C do, and realm BLUE, as B does. C is behind B."""

    def __init__(self) -> None:
        super().__init__()
        for vni, fd, members in ((RED, RED_FD, {A, C}), (BLUE, BLUE_FD, {B})):
            self.carrier.obey(SetRealm(vni=vni, members=frozenset(members)), self.now, fd)

    def captured_in(self, fd: int, *frames: bytes) -> None:
        self.realms[fd].waiting.extend(frames)
        self.carrier.realms.capture(fd, self.now)
        self.carrier.flush(self.now)

    def injected(self) -> dict[str, list[bytes]]:
        """What reached each bridge."""
        return {
            "shared": self.bridge.written,
            "red": self.realms[RED_FD].written,
            "blue": self.realms[BLUE_FD].written,
        }


@pytest.fixture
def host() -> Iterator[RealmHost]:
    yield RealmHost()


def red(frame: bytes) -> bytes:
    return mark_frame(frame, mark_of(RED))


def test_a_broadcast_goes_to_all_that_have_the_realm_and_to_nobody_else(host: RealmHost) -> None:
    host.captured_in(RED_FD, arp(1))
    assert sorted(host.sent()) == [
        (ADDRESS_A, False, [PeerFrame(US, A, red(arp(1)))]),
        (ADDRESS_B, False, [PeerFrame(US, C, red(arp(1)))]),
    ]


def test_what_comes_marked_reaches_the_bridge_of_its_realm_alone(host: RealmHost) -> None:
    host.receive(packet(A, PeerFrame(A, US, red(arp(7)))))
    assert host.injected() == {"shared": [], "red": [arp(7)], "blue": []}
    assert host.router.heard == [MacLearned(mac=mac(7), peer=A, vni=RED)]
    host.captured_in(RED_FD, arp(1, mac(7)))
    assert host.sent() == [(ADDRESS_A, False, [PeerFrame(US, A, red(arp(1, mac(7))))])]


def test_an_address_of_one_realm_says_nothing_about_another(host: RealmHost) -> None:
    host.receive(packet(A, PeerFrame(A, US, red(arp(7)))))
    host.captured_in(BLUE_FD, arp(1, mac(7)))
    assert host.sent() == [
        (ADDRESS_B, False, [PeerFrame(US, B, mark_frame(arp(1, mac(7)), mark_of(BLUE)))]),
    ]


def test_marks_of_containers_lead_nowhere(host: RealmHost) -> None:
    # In the shared network, by a container here and by one at a Go router; in another realm; of no peer's.
    host.capture(red(arp(1)))
    assert host.sent() == []
    host.receive(packet(B, PeerFrame(B, US, red(arp(8)))))
    assert host.injected() == {"shared": [], "red": [], "blue": []}
    host.captured_in(BLUE_FD, red(arp(1)))
    ((_, _, frames),) = host.sent()
    other = RealmHost()
    other.tell(SetRealm(vni=BLUE, members=frozenset({A, B})))
    other.receive(packet(A, PeerFrame(A, US, frames[0].frame)))
    assert other.injected() == {"shared": [], "red": [], "blue": [red(arp(1))]}


def test_where_the_kernel_carries_sleeve_does_not(host: RealmHost) -> None:
    for carriage in (Carriage.UNICAST, Carriage.EVERYTHING):
        host.tell(neighbour(1, A, ADDRESS_A, carriage=carriage, vxlan_address=("10.0.0.1", 6784)))
        host.captured_in(RED_FD, arp(1))
        assert host.sent() == [(ADDRESS_B, False, [PeerFrame(US, C, red(arp(1)))])]


def test_frames_for_others_are_passed_on_as_they_are(host: RealmHost) -> None:
    unknown = mark_frame(arp(5), mark_of(0x123456))
    host.receive(packet(A, PeerFrame(A, C, unknown)))
    assert host.sent() == [(ADDRESS_B, False, [PeerFrame(A, C, unknown)])]
    host.receive(packet(A, PeerFrame(A, US, unknown), PeerFrame(A, A, unknown)))
    assert host.sent() == []
    assert not any(host.injected().values())


def test_a_frame_too_big_with_its_mark_is_answered_in_its_realm(host: RealmHost) -> None:
    host.receive(packet(A, PeerFrame(A, US, red(arp(7)))))
    host.realms[RED_FD].written.clear()
    host.tell(neighbour(1, A, ADDRESS_A, mtu=1000))
    for size, fits in ((994, True), (995, False)):
        frame = ip_frame(bytes(size - 20), flags=DF, macs=mac(7) + mac(1))
        host.captured_in(RED_FD, frame)
        assert bool(host.sent()) is fits
    (answer,) = host.realms[RED_FD].written
    assert answer[:12] == mac(1) + mac(7) and (994).to_bytes(2, "big") in answer
    # The same from afar: the answer goes back with the mark.
    far = ip_frame(bytes(1400), flags=DF, macs=mac(7) + mac(9))
    host.receive(packet(B, PeerFrame(C, A, red(far))))
    ((address, _, (back,)),) = host.sent()
    unmarked = unmark_frame(back.frame)
    assert (address, back.source, back.destination) == (ADDRESS_B, A, C)
    assert unmarked is not None and vni_of(unmarked[0]) == RED and unmarked[1][:6] == mac(9)


def test_members_come_and_go(host: RealmHost) -> None:
    host.receive(packet(A, PeerFrame(A, US, red(arp(7)))))
    host.tell(SetRealm(vni=RED, members=frozenset({C})))
    assert host.router.heard[-1] == MacForgotten(mac=mac(7), vni=RED)
    host.receive(packet(A, PeerFrame(A, US, red(arp(8)))))
    assert host.injected()["red"] == [arp(7)]


def test_a_realm_that_is_gone_or_made_anew_lets_its_device_go(host: RealmHost) -> None:
    before = host.realms[RED_FD]
    host.carrier.obey(SetRealm(vni=RED, members=frozenset({A})), NOW, 103)
    assert not before.is_open and set(host.carrier.realms.descriptors) == {103, BLUE_FD}
    host.tell(ForgetRealm(vni=RED), ForgetRealm(vni=RED))
    assert not host.realms[103].is_open and set(host.carrier.realms.descriptors) == {BLUE_FD}
    host.receive(packet(A, PeerFrame(A, US, red(arp(8)))))
    assert not any(host.injected().values())


def test_a_device_that_somebody_removed_ends_its_realm_only(host: RealmHost) -> None:
    class Gone(RealmBridge):
        def read(self) -> bytes:
            raise OSError(77, "File descriptor in bad state")

    door = Gone(104)
    host.carrier.realms._open_door = lambda fd: door
    host.carrier.obey(SetRealm(vni=RED, members=frozenset({A})), NOW, 104)
    host.carrier.realms.capture(104, NOW)
    assert not door.is_open
    host.captured_in(BLUE_FD, arp(1))
    assert len(host.sent()) == 1


def test_addresses_are_forgotten_in_time(host: RealmHost) -> None:
    host.receive(packet(A, PeerFrame(A, US, red(arp(7)))))
    host.carrier.on_wake(NOW + 700)
    host.carrier.flush(NOW + 700)
    assert host.router.heard[-1] == MacForgotten(mac=mac(7), vni=RED)


@given(st.binary(max_size=60))
def test_marked_garbage_does_no_harm(tail: bytes) -> None:
    host = RealmHost()
    host.receive(packet(A, PeerFrame(A, US, ALL + mac(1) + b"\x88\xb6" + tail)))
    assert host.injected()["shared"] == []
