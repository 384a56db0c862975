"""Isolated networks between whole routers: what is of one stays in it, whatever containers forge."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.chains import chain
from tests.kernel.namespaces import Underlay, call_in, udp_socket
from tests.kernel.programs import eventually
from tests.kernel.routers import Router
from tests.kernel.test_passwords import PASSWORD, connections, logs_of, password_option
from weave_cli.names import PeerName
from weave_cli.realms import Realm, realm_of
from weave_cli.router.overlay.realm_frames import mark_frame, mark_of
from weave_cli.router.overlay.vxlan_header import VXLAN_HEADER
from weave_cli.router.runtime.realm_desk import RealmDesk

RED, BLUE = realm_of("red"), realm_of("blue")
_ALL_PROTOCOLS = 3
_ALL = b"\xff" * 6

Routers = Callable[..., Router]


@pytest.fixture(params=["vxlan", "sleeve"])
def pair(request: pytest.FixtureRequest, router: Routers) -> tuple[Router, Router]:
    """Two routers whose frames go by that overlay."""
    one, two = router(), router()
    sealed = request.param == "sleeve"
    one.start(*([password_option(one, PASSWORD)] if sealed else []))
    two.start(*([password_option(two, PASSWORD)] if sealed else []), one.host.address)
    for here in (one, two):
        wait_for_overlay(here, request.param)
    return one, two


def wait_for_overlay(router: Router, overlay: str) -> None:
    eventually(
        lambda: f" {overlay} " in connections(router) and " established " in connections(router),
        lambda: logs_of(router),
    )


def ensure(router: Router, key: str) -> str:
    """The bridge of the realm."""
    status, bridge = router.ask("PUT", f"/realm/{key}")
    assert status == 200, bridge
    return bridge


def reaches(one: str, other: str, address: str, *, tries: int = 20) -> bool:
    """Does a datagram from one container get to another?"""
    octets = os.urandom(16)
    with udp_socket(one) as sender, udp_socket(other, port=5000) as receiver:
        receiver.settimeout(0.3)
        for _ in range(tries):
            with contextlib.suppress(OSError):
                sender.sendto(octets, (address, 5000))
                assert receiver.recv(1000) == octets
                return True
    return False


@contextlib.contextmanager
def ear(namespace: str) -> Iterator[socket.socket]:
    """Hears every frame that comes to the container."""
    opened = call_in(
        namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(_ALL_PROTOCOLS))
    )
    with opened:
        opened.settimeout(0.5)
        yield opened


def hears(opened: socket.socket, *octets: bytes) -> bool:
    """Does a frame come with any of these?"""
    with contextlib.suppress(TimeoutError):
        while True:
            frame = opened.recv(65536)
            if any(one in frame for one in octets):
                return True
    return False


def mac_of(namespace: str, underlay: Underlay) -> bytes:
    return bytes.fromhex(
        underlay.run_in(namespace, "cat /sys/class/net/eth0/address").strip().replace(":", "")
    )


def address_of(namespace: str, underlay: Underlay) -> bytes:
    shown = underlay.run_in(namespace, "ip -o -4 address show eth0").split()[3]
    return socket.inet_aton(shown.split("/")[0])


def test_a_realm_is_one_network_and_no_other_reaches_it(pair: tuple[Router, Router]) -> None:
    one, two = pair
    red, far_red = (here.host.container(ensure(here, "red")) for here in pair)
    far_blue = two.host.container(ensure(two, "blue"))
    far_shared = two.host.container()
    assert (ensure(one, "red"), ensure(two, "red")) == (RED.bridge, RED.bridge)
    number = two.host.number
    assert reaches(red, far_red, f"10.32.{number}.1"), logs_of(one, two)
    assert not reaches(red, far_blue, f"10.32.{number}.2", tries=3)
    assert not reaches(red, far_shared, f"10.32.{number}.3", tries=3)
    assert not reaches(far_blue, red, f"10.32.{one.host.number}.1", tries=3)
    assert not reaches(far_blue, far_red, f"10.32.{number}.1", tries=3)


def test_forged_frames_stay_in_the_network_that_they_came_from(
    pair: tuple[Router, Router], underlay: Underlay
) -> None:
    one, two = pair
    # The container that forges is in the shared network, then in a realm.
    for villain in (one.host.container(), one.host.container(ensure(one, "red"))):
        friend = two.host.container(*([ensure(two, "red")] if villain.endswith("2") else []))
        victims = [
            two.host.container(ensure(two, "blue")),
            one.host.container(ensure(one, "blue")),
            *([two.host.container()] if villain.endswith("2") else []),
        ]
        number = int(friend.rpartition("c")[2])
        assert reaches(villain, friend, f"10.32.{two.host.number}.{number}"), logs_of(one, two)
        with contextlib.ExitStack() as stack:
            ears = [stack.enter_context(ear(victim)) for victim in victims]
            friends_ear = stack.enter_context(ear(friend))
            mouth = stack.enter_context(ear(villain))
            mouth.bind(("eth0", 0))
            for victim in victims:
                mac, place = mac_of(victim, underlay), address_of(victim, underlay)
                tagged, plain = os.urandom(32), os.urandom(32)
                for frame in (*forgeries(mac, tagged), *real_protocols(mac, place, plain)):
                    mouth.send(frame)
                for opened in ears:
                    assert not hears(opened, tagged, plain), logs_of(one, two)
            assert hears(friends_ear, tagged) and hears(friends_ear, plain)  # they did leave the container


def forgeries(victim: bytes, octets: bytes) -> Iterator[bytes]:
    """Frames to the victim or to everybody, from others' addresses, tagged and marked in all ways we know."""
    for destination in (victim, _ALL):
        for source in (victim, bytes.fromhex("0a0000000099")):
            plain = destination + source + b"\x90\x00" + octets
            yield plain
            for realm in (RED, BLUE):
                yield mark_frame(plain, mark_of(realm.vni))
                yield mark_frame(mark_frame(plain, mark_of(realm.vni)), mark_of(BLUE.vni))
                yield plain[:12] + VXLAN_HEADER[:4] + struct.pack(">I", realm.vni << 8) + plain
            for vlan in (0, 1, 2, 4094):
                yield plain[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + plain[12:]


def real_protocols(victim: bytes, address: bytes, octets: bytes) -> Iterator[bytes]:
    """What kernels understand: the victim is spoken to, and somebody says that he is the victim."""
    villain = bytes.fromhex("0a0000000098")
    link_local = bytes.fromhex("fe80000000000000") + bytes(
        (victim[0] ^ 2, *victim[1:3], 0xFF, 0xFE, *victim[3:])
    )
    for source in (victim, villain):
        for destination in (victim, _ALL):
            for kind in (1, 2):  # question and answer
                yield (
                    destination + source + b"\x08\x06\0\x01\x08\0\6\4\0" + bytes((kind,))
                    + source + address + victim + address + octets
                )  # fmt: skip
        for destination, place in (
            (victim, address),
            (_ALL, b"\xff" * 4),
            (bytes.fromhex("01005e000001"), bytes((224, 0, 0, 1))),
        ):
            yield destination + source + b"\x08\x00" + _ipv4_datagram(address, place, octets)
        for destination, place in (
            (victim, link_local),
            (bytes.fromhex("333300000001"), bytes.fromhex("ff02") + bytes(13) + b"\x01"),
        ):
            length = (8 + len(octets)).to_bytes(2, "big")
            datagram = struct.pack(">HH", 5000, 5000) + length + bytes(2) + octets
            yield (
                destination
                + source
                + b"\x86\xdd\x60\0\0\0"
                + length
                + b"\x11\x40"
                + link_local
                + place
                + datagram
            )


def _ipv4_datagram(source: bytes, destination: bytes, octets: bytes) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(octets), 1, 0, 64, 17, 0) + source + destination
    total: int = sum(struct.unpack(">10H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + (~total & 0xFFFF).to_bytes(2, "big") + head[12:]
    return head + struct.pack(">HHHH", 5000, 5000, 8 + len(octets), 0) + octets


def test_a_host_on_the_way_that_lacks_the_realm_passes_it_on(underlay: Underlay, tmp_path: Path) -> None:
    line = [Router(host, tmp_path / f"host{host.number}") for host in chain(underlay, 3)]
    try:
        for number, one in enumerate(line):
            before = [line[number - 1].host.address] if number else []
            one.start("--no-discovery", *before)
        for one in line:
            wait_for_overlay(one, "vxlan")
        one, _, three = line
        near, far = (here.host.container(ensure(here, "red")) for here in (one, three))
        between = line[1].host.container()
        with ear(between) as opened:
            assert reaches(near, far, f"10.32.{three.host.number}.1", tries=60), logs_of(*line)
            assert reaches(far, near, f"10.32.{one.host.number}.1"), logs_of(*line)
            assert not hears(opened, b"\x88\xb6")
    finally:
        for one in line:
            one.kill()


def test_realms_outlive_their_router_and_go_when_nobody_uses_them(router: Routers) -> None:
    one, two = router(), router()
    one.start()
    two.start(one.host.address)
    near, far = (here.host.container(ensure(here, "red")) for here in (one, two))
    for here in (one, two):
        wait_for_overlay(here, "vxlan")
    assert reaches(near, far, f"10.32.{two.host.number}.1"), logs_of(one, two)
    for here in (one, two):
        here.kill()
    assert reaches(near, far, f"10.32.{two.host.number}.1")
    one.start()
    two.start(one.host.address)
    for here in (one, two):
        wait_for_overlay(here, "vxlan")
    assert reaches(near, far, f"10.32.{two.host.number}.1"), logs_of(one, two)
    assert one.ask("DELETE", "/realm/red")[0] == 404  # it has a container
    one.host.run("ip link del vethwl1")
    assert one.ask("DELETE", "/realm/red")[0] == 204
    assert RED.bridge not in one.host.run("ip -br link") and RED.tap not in one.host.run("ip -br link")
    assert one.ask("PUT", "/realm/two%20words")[0] == 400


def test_the_host_has_no_part_in_a_realm(router: Routers, underlay: Underlay) -> None:
    one = router()
    one.start()
    container = one.host.container(ensure(one, "red"))
    underlay.run_in(container, f"ip route add {one.host.address}/32 dev eth0")
    bridge = one.host.run(f"cat /sys/class/net/{RED.bridge}/address").strip()
    server = udp_socket(one.host.namespace, port=5000)
    server.settimeout(0.5)
    with server, udp_socket(container) as sender:
        with contextlib.suppress(OSError):
            sender.sendto(b"by ARP", (one.host.address, 5000))
        underlay.run_in(container, f"ip neigh replace {one.host.address} lladdr {bridge} dev eth0")
        sender.sendto(b"by address", (one.host.address, 5000))
        with pytest.raises(TimeoutError):
            server.recv(100)


def test_a_network_with_the_number_of_another_is_refused(router: Routers) -> None:
    one = router()
    one.start()
    ensure(one, "red")
    one.host.run(f"ip link set {RED.bridge} alias orange")
    one.host.run(f"ip link del {RED.vxlan}")
    status, text = one.ask("PUT", "/realm/red")
    assert (status, "same number" in text) == (400, True)


def test_a_realm_goes_when_no_container_was_in_it_for_long(underlay: Underlay) -> None:
    host = underlay.host()

    async def live() -> None:
        desk = RealmDesk(PeerName(1), 6784, lambda: 1450, _follow, idle_s=0.0)
        await desk.open()
        await desk.ensure(RED.key)
        host.container(bridge=RED.bridge)
        await desk.look_after()
        assert desk.realms == {RED}
        host.run("ip link del vethwl1")
        await desk.look_after()
        assert not desk.realms

    call_in(host.namespace, lambda: asyncio.run(live()))
    assert "weave" not in host.run("ip -br link")


async def _follow(_realms: frozenset[Realm]) -> None:
    """Nobody carries frames here."""
