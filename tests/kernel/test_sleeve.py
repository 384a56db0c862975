"""Sleeve processes on hosts in namespaces: frames travel, whole, at the right size, and once."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from tests.kernel.namespaces import Underlay, call_in, udp_socket
from tests.kernel.sleeve_hosts import PORT, SleeveHost, SleeveMesh
from weave_cli.names import pack_peer_name
from weave_cli.router.overlay.sleeve_packets import PeerFrame, encode_frames
from weave_cli.router.sleeve.messages import MacLearned

pytestmark = pytest.mark.kernel

KEY = bytes(range(32))
KEYS = pytest.mark.parametrize("key", [None, KEY], ids=["plain", "sealed"])
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT, _IP_PMTUDISC_DO, _IP_MTU = 10, 0, 2, 14
_IP_RECVERR = 11
_ETH_P_ALL = 3
#: What the Ethernet type of frames made by these tests is.
_OURS = b"\x90\x00"


@pytest.fixture
def mesh() -> Iterator[SleeveMesh]:
    made = SleeveMesh()
    yield made
    made.stop()


def line(
    underlay: Underlay, mesh: SleeveMesh, length: int, key: bytes | None = None, *, mtu: int = 1500
) -> list[SleeveHost]:
    """So many hosts, each joined to the next, each path measured."""
    hosts = [mesh.launch(underlay.host(), mtu=mtu) for _ in range(length)]
    mesh.start()
    for one, other in pairwise(hosts):
        mesh.join(one, other, session_key=key)
    mesh.wait_established()
    return hosts


def exchange(sender: str, receiver: str, address: str, sizes: tuple[int, ...]) -> None:
    """Datagrams of those sizes, which may be fragmented, there, and a short one back for each."""
    ours, theirs = udp_socket(sender), udp_socket(receiver, port=5000)
    with ours, theirs:
        ours.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        for size in sizes:
            content = os.urandom(size)
            ours.sendto(content, (address, 5000))
            data, source = theirs.recvfrom(65_536)
            assert data == content
            theirs.sendto(b"answer", source)
            assert ours.recv(100) == b"answer"


def send_by_tcp(sender: str, receiver: str, address: str, size: int) -> int:
    """Send so many octets, and half as many back; the path MTU that the sender found."""

    def listen() -> socket.socket:
        made = socket.create_server(("0.0.0.0", 5001))
        made.settimeout(20)
        return made

    listener = call_in(receiver, listen)
    content = os.urandom(size)
    with listener, call_in(sender, lambda: socket.create_connection((address, 5001), 20)) as ours:
        theirs, _ = listener.accept()
        theirs.settimeout(20)
        with theirs:
            for source, sink, octets in ((ours, theirs, content), (theirs, ours, content[: size // 2])):
                got = bytearray()
                sent = 0
                while len(got) < len(octets):
                    if sent < len(octets):
                        sent += source.send(octets[sent : sent + 50_000])
                    piece = sink.recv(1 << 20)
                    assert piece
                    got += piece
                assert got == octets
        mtu: int = ours.getsockopt(socket.IPPROTO_IP, _IP_MTU)
        return mtu


def packet_socket(namespace: str, device: str = "eth0") -> socket.socket:
    """Sees and sends whole frames."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        made.bind((device, _ETH_P_ALL))
        made.settimeout(5)
        return made

    return call_in(namespace, make)


def frames_of_ours(door: socket.socket, for_s: float) -> list[bytes]:
    """The frames made by these tests that arrive within that time."""
    found = []
    door.settimeout(0.05)
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        try:
            frame, facts = door.recvfrom(65_536)
        except TimeoutError:
            continue
        if facts[2] != socket.PACKET_OUTGOING and frame[12:14] == _OURS:
            found.append(frame)
    return found


def checksum_errors(underlay: Underlay, namespace: str) -> int:
    """Packets that the kernel of that namespace refused for their TCP, UDP or ICMP checksum."""
    table = [line.split() for line in underlay.run_in(namespace, "cat /proc/net/snmp").splitlines()]
    return sum(
        int(value)
        for names, values in zip(table[::2], table[1::2], strict=True)
        for name, value in zip(names, values, strict=True)
        if name == "InCsumErrors"
    )


def mac_of(door: socket.socket) -> bytes:
    """The address of the device that a packet socket is bound to."""
    mac: bytes = door.getsockname()[4]
    return mac


@KEYS
def test_containers_reach_each_other_with_datagrams_of_all_sizes(
    underlay: Underlay, mesh: SleeveMesh, key: bytes | None
) -> None:
    one, two = line(underlay, mesh, 2, key)
    exchange(one.host.container(), two.host.container(), "10.32.2.1", (1, 100, 1400, 1472, 8000, 60_000))


@KEYS
def test_tcp_carries_every_octet_at_the_mtu_of_the_path(
    underlay: Underlay, mesh: SleeveMesh, key: bytes | None
) -> None:
    one, two = line(underlay, mesh, 2, key)
    mtu = 1438 if key is None else 1414
    assert one.link_mtu(two) == two.link_mtu(one) == mtu
    sender, receiver = one.host.container(), two.host.container()
    # The containers believe in 1500 until ICMP tells them better.
    assert send_by_tcp(sender, receiver, "10.32.2.1", 20_000_000) == mtu
    for container in (sender, receiver):
        assert checksum_errors(underlay, container) == 0


@KEYS
def test_a_path_that_loses_large_packets_silently_is_measured(
    underlay: Underlay, mesh: SleeveMesh, key: bytes | None
) -> None:
    one_host, two_host = underlay.host(), underlay.host()
    # The router in the middle does not take what is larger than 1300, and tells nobody.
    for host in (one_host, two_host):
        underlay.run_in(underlay.router, f"ip link set h{host.number} mtu 1300")
    one, two = mesh.launch(one_host), mesh.launch(two_host)
    mesh.start()
    mesh.join(one, two, session_key=key)
    overhead = 62 if key is None else 86
    mesh.wait_until(lambda: one.link_mtu(two) == two.link_mtu(one) == 1300 - overhead, timeout_s=60)
    sender, receiver = one.host.container(), two.host.container()
    assert send_by_tcp(sender, receiver, "10.32.2.1", 3_000_000) == 1300 - overhead
    # Fragments do not pass, so that datagrams without DF are fragmented before they are packed.
    exchange(sender, receiver, "10.32.2.1", (1, 3000, 20_000))


def test_a_link_that_becomes_narrower_is_followed(underlay: Underlay, mesh: SleeveMesh) -> None:
    one, two = line(underlay, mesh, 2)
    sender, receiver = one.host.container(), two.host.container()
    assert send_by_tcp(sender, receiver, "10.32.2.1", 100_000) == 1438
    two.host.narrow(1400)
    assert send_by_tcp(sender, receiver, "10.32.2.1", 3_000_000) == 1338
    assert one.link_mtu(two) == 1338


def test_a_big_df_datagram_is_answered_with_the_mtu(underlay: Underlay, mesh: SleeveMesh) -> None:
    one, two = line(underlay, mesh, 2)
    sender, receiver = one.host.container(), two.host.container()
    exchange(sender, receiver, "10.32.2.1", (10,))
    ours = udp_socket(sender)
    with ours:
        ours.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        ours.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
        ours.connect(("10.32.2.1", 5000))
        ours.send(bytes(1460))
        with pytest.raises(OSError, match="Message too long"):
            ours.recv(100)
        assert ours.getsockopt(socket.IPPROTO_IP, _IP_MTU) == 1438


@KEYS
def test_a_line_of_three_relays_unicasts_and_broadcasts_once(
    underlay: Underlay, mesh: SleeveMesh, key: bytes | None
) -> None:
    hosts = line(underlay, mesh, 3, key)
    containers = [host.host.container() for host in hosts]
    exchange(containers[0], containers[2], "10.32.3.1", (1, 1400, 8000))
    assert send_by_tcp(containers[0], containers[2], "10.32.3.1", 5_000_000) == hosts[1].link_mtu(hosts[2])
    doors = [packet_socket(container) for container in containers]
    try:
        frame = b"\xff" * 6 + mac_of(doors[0]) + _OURS + b"broadcast"
        doors[0].send(frame)
        assert [frames_of_ours(door, 0.5) for door in doors] == [[], [frame], [frame]]
        frame = mac_of(doors[2]) + mac_of(doors[0]) + _OURS + b"unicast"
        doors[0].send(frame)
        assert [frames_of_ours(door, 0.5) for door in doors] == [[], [], [frame]]
    finally:
        for door in doors:
            door.close()


def test_macs_are_told_with_their_peers_and_moves_are_followed(underlay: Underlay, mesh: SleeveMesh) -> None:
    one, two, three = line(underlay, mesh, 3)
    doors = [packet_socket(host.host.container()) for host in (one, two, three)]
    wanderer = bytes.fromhex("0242ac110099")
    try:
        for door, host in ((doors[1], two), (doors[2], three)):
            door.send(b"\xff" * 6 + wanderer + _OURS + bytes(50))
            told = MacLearned(mac=wanderer, peer=host.name)
            mesh.wait_until(lambda told=told: told in one.told)  # type: ignore[misc]
            frame = wanderer + mac_of(doors[0]) + _OURS + bytes(50)
            doors[0].send(frame)
            assert frames_of_ours(door, 0.5)[-1] == frame
            time.sleep(2)
    finally:
        for door in doors:
            door.close()


def test_what_vxlan_carries_is_left_to_it(underlay: Underlay, mesh: SleeveMesh) -> None:
    one, two = line(underlay, mesh, 2)
    doors = [packet_socket(host.host.container()) for host in (one, two)]
    try:
        mesh.serve_by_vxlan(one, two)
        doors[0].send(b"\xff" * 6 + mac_of(doors[0]) + _OURS + b"not twice")
        assert frames_of_ours(doors[1], 0.5) == []
        doors[1].send(b"\xff" * 6 + mac_of(doors[1]) + _OURS + b"by sleeve")
        assert len(frames_of_ours(doors[0], 0.5)) == 1
    finally:
        for door in doors:
            door.close()


def record_packets(host: SleeveHost, work: Callable[[], None]) -> list[bytes]:
    """The UDP payloads for the mesh port that the host sends while the work is done."""
    with packet_socket(host.host.namespace) as door:
        door.settimeout(0.2)
        work()
        found = []
        try:
            while True:
                frame, facts = door.recvfrom(65_536)
                ports = struct.unpack_from(">HH", frame, 34) if len(frame) > 42 else (0, 0)
                if facts[2] == socket.PACKET_OUTGOING and frame[23] == 17 and ports[1] == PORT:
                    found.append(frame[42:])
        except TimeoutError:
            return found


def test_replayed_and_foreign_packets_are_dropped(underlay: Underlay, mesh: SleeveMesh) -> None:
    one, two = line(underlay, mesh, 2, KEY)
    doors = [packet_socket(host.host.container()) for host in (one, two)]
    frame = b"\xff" * 6 + mac_of(doors[0]) + _OURS + b"once"
    try:
        packets = record_packets(one, lambda: doors[0].sendall(frame))
        assert frames_of_ours(doors[1], 0.3) == [frame]
        plain = pack_peer_name(one.name) + encode_frames([PeerFrame(one.name, two.name, frame)])
        with udp_socket(one.host.namespace) as stranger:
            for packet in (*packets, plain, packets[-1][:-1] + b"\0"):
                stranger.sendto(packet, (two.host.address, PORT))
        assert frames_of_ours(doors[1], 0.5) == []
    finally:
        for door in doors:
            door.close()


def test_garbage_harms_nobody(underlay: Underlay, mesh: SleeveMesh) -> None:
    one, two = line(underlay, mesh, 2)
    name = pack_peer_name(one.name)
    frames = encode_frames([PeerFrame(one.name, two.name, bytes(12) + b"\x08\x00" + os.urandom(20))])
    with udp_socket(one.host.namespace) as stranger:
        for number in range(2000):
            rest = os.urandom(number % 100)
            packet = (rest, name + rest, name + frames + rest, name + frames[: number % len(frames)])[
                number % 4
            ]
            stranger.sendto(packet, (two.host.address, PORT))
    exchange(one.host.container(), two.host.container(), "10.32.2.1", (1000,))
    (log,) = (mesh.stop()[1],)
    assert "dropped a malformed packet" in log and len(log.splitlines()) < 20


def test_a_host_that_is_not_there_is_told_with_the_kernels_words(
    underlay: Underlay, mesh: SleeveMesh
) -> None:
    one, two = mesh.launch(underlay.host()), mesh.launch(underlay.host())
    one.host.run("ip route replace unreachable 10.205.2.0/24")
    mesh.start()
    mesh.join(one, two)
    mesh.wait_until(lambda: any("No route to host" in str(message) for message in one.told))


def test_the_process_ends_when_its_device_is_gone(underlay: Underlay, mesh: SleeveMesh) -> None:
    one = mesh.launch(underlay.host())
    mesh.start()
    one.host.run("ip link del weave-tap")
    assert one.process.wait(10) == 1
    mesh.forget(one)
