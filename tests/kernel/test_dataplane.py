"""Two and more routers' data planes in namespaces: frames of containers travel, and what does not is told."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

from tests.kernel.namespaces import Host, Underlay, call_in, udp_socket
from tests.kernel.plane_process import LINGER_S
from tests.kernel.planes import Plane, join, part
from weave_cli.router.overlay.heartbeat import ETHERTYPE

Launch = Callable[..., Plane]

FLOOD = "00:00:00:00:00:00"
_ETH_P_ALL = 3
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT, _IP_PMTUDISC_DO, _IP_MTU = 10, 0, 2, 14


def establish(one: Plane, other: Plane, conn: int = 1) -> None:
    join(one, other, conn)
    assert one.wait_for("established")["conn"] == conn
    assert other.wait_for("established")["conn"] == conn


def eventually(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20 * LINGER_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def entries(host: Host) -> set[tuple[str, str]]:
    """MAC and destination of all entries of the VXLAN device, learned ones too."""
    listed = json.loads(host.run("bridge -j fdb show dev weave-vxlan"))
    return {(entry["mac"], entry["dst"]) for entry in listed if "dst" in entry}


def addresses(host: Host) -> set[str]:
    if not host.run("ip -br link show type vxlan"):
        return set()
    return {address for _, address in entries(host)}


def test_containers_of_two_hosts_reach_each_other(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    establish(launch(one), launch(two))
    sender, receiver = udp_socket(one.container()), udp_socket(two.container(), port=5000)
    with sender, receiver:
        for size in (100, 60_000):
            sender.sendto(bytes(size), ("10.32.2.1", 5000))
            data, source = receiver.recvfrom(65_536)
            assert len(data) == size
            receiver.sendto(b"answer", source)
            assert sender.recv(100) == b"answer"


def test_frames_of_the_largest_size_travel_unfragmented(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here = launch(one)
    establish(here, launch(two))
    with udp_socket(one.container()) as sender, udp_socket(two.container(), port=5000) as receiver:
        sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
        sender.sendto(bytes(1450 - 28), ("10.32.2.1", 5000))
        assert len(receiver.recv(2000)) == 1450 - 28
    assert here.attributes(1) == {"event": "attributes", "conn": 1, "name": "vxlan", "mtu": 1450}


def test_a_broadcast_arrives_exactly_once_at_every_container(underlay: Underlay, launch: Launch) -> None:
    hosts = [underlay.host() for _ in range(3)]
    planes = [launch(host) for host in hosts]
    for conn, (one, other) in enumerate(((0, 1), (0, 2), (1, 2)), start=1):
        establish(planes[one], planes[other], conn)
    receivers = [udp_socket(host.container(), port=5000) for host in hosts for _ in range(2)]
    with udp_socket(hosts[0].container()) as sender:
        for text in (b"first", b"last"):
            sender.sendto(text, ("10.32.255.255", 5000))
    for receiver in receivers:
        with receiver:
            assert [receiver.recv(100), receiver.recv(100)] == [b"first", b"last"]
            receiver.settimeout(0.3)
            try:
                assert receiver.recv(100) == b"nothing more"
            except TimeoutError:
                pass


def test_containers_never_see_a_heartbeat(underlay: Underlay, launch: Launch) -> None:
    hosts = [underlay.host() for _ in range(3)]
    planes = [launch(host) for host in hosts]
    taps = [call_in(host.container(), _tap) for host in hosts]
    for conn, (one, other) in enumerate(((0, 1), (0, 2), (1, 2)), start=1):
        establish(planes[one], planes[other], conn)
    for tap in taps:
        with tap:
            assert ETHERTYPE not in _types_seen(tap)


def _tap() -> socket.socket:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    tap.bind(("eth0", _ETH_P_ALL))
    tap.setblocking(False)
    return tap


def _types_seen(tap: socket.socket) -> set[int]:
    seen = set()
    try:
        while True:
            seen.add(int.from_bytes(tap.recv(2000)[12:14], "big"))
    except BlockingIOError:
        return seen


def test_a_narrower_path_is_noticed_and_containers_learn_it(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    two.narrow(1400)
    establish(here, there)
    eventually(lambda: here.attributes(1).get("path_mtu") == 1350)
    with udp_socket(one.container()) as sender, udp_socket(two.container(), port=5000) as receiver:
        sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        sender.sendto(bytes(1450 - 28), ("10.32.2.1", 5000))
        assert len(receiver.recv(2000)) == 1450 - 28, "what may be fragmented arrives"
        sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
        sender.connect(("10.32.2.1", 5000))
        sender.send(bytes(1450 - 28))
        receiver.settimeout(0.3)
        try:
            assert receiver.recv(2000) == b"nothing"
        except TimeoutError:
            pass
        assert sender.getsockopt(socket.IPPROTO_IP, _IP_MTU) == 1350


def test_nothing_about_a_neighbour_stays_after_its_connection(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    establish(here, there)
    with udp_socket(two.container()) as sender, udp_socket(one.container(), port=5000) as receiver:
        sender.sendto(b"learn me", ("10.32.1.1", 5000))
        receiver.recv(100)
    assert len(entries(one)) > 2, "flooding, heartbeats, and what was learned"
    for plane in (there, here):  # who ends first may learn again from what is still under way
        plane.order("end", conn=1)
    assert (FLOOD, two.address) in entries(one), "frames go on for a while"
    eventually(lambda: entries(one) == set())


def test_a_neighbour_that_sends_on_teaches_nothing_for_good(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two, linger_s=8 * LINGER_S)
    establish(here, there)
    with udp_socket(two.container()) as sender, udp_socket(one.container(), port=5000) as receiver:
        for plane in (here, there):
            plane.order("end", conn=1)
        deadline = time.monotonic() + 60
        receiver.settimeout(2 * LINGER_S)
        while True:
            assert time.monotonic() < deadline
            sender.sendto(b"learn me", ("10.32.1.1", 5000))
            try:
                receiver.recv(100)
            except TimeoutError:
                break
        eventually(lambda: entries(one) == entries(two) == set())


def test_a_peer_that_others_lead_to_is_left_to_them(underlay: Underlay, launch: Launch) -> None:
    hosts = [underlay.host() for _ in range(3)]
    one, two, three = (launch(host, linger_s=600) for host in hosts)
    for conn, (here, there) in enumerate(((one, two), (two, three), (one, three)), start=1):
        establish(here, there, conn)
    with udp_socket(hosts[0].container()) as sender, udp_socket(hosts[2].container(), port=5000) as receiver:
        sender.sendto(b"learn me", ("10.32.3.1", 5000))
        receiver.recv(100)
        part(one, three, 3)
        eventually(lambda: addresses(hosts[0]) == addresses(hosts[2]) == {hosts[1].address})
        sender.settimeout(1)
        for _ in range(10):
            sender.sendto(b"by way of the second", ("10.32.3.1", 5000))
            data, source = receiver.recvfrom(100)
            receiver.sendto(data, source)
        assert sender.recv(100) == b"by way of the second"
        # Where nobody leads there any more, nothing arrives.
        part(one, two, 1)
        receiver.settimeout(1)
        deadline = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline
            sender.sendto(b"to nobody", ("10.32.3.1", 5000))
            try:
                receiver.recv(100)
            except TimeoutError:
                break


def test_entries_stay_while_another_connection_needs_them(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    establish(here, there, 1)
    establish(here, there, 2)
    before = {entry for entry in entries(one) if entry[0] == FLOOD}
    here.order("end", conn=1)
    time.sleep(2 * LINGER_S)
    assert {entry for entry in entries(one) if entry[0] == FLOOD} == before == {(FLOOD, two.address)}


def test_a_restart_finds_and_removes_what_a_crash_left(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    establish(here, there)
    here.kill()
    there.kill()
    assert addresses(one) == {two.address}
    launch(one)
    assert addresses(one) == {two.address}, "containers are still using them"
    eventually(lambda: entries(one) == set())


def test_a_router_that_stops_leaves_the_way_to_its_neighbours(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    establish(here, there)
    here.stop()
    there.stop()
    with udp_socket(two.container()) as sender, udp_socket(one.container(), port=5000) as receiver:
        sender.sendto(b"still here", ("10.32.1.1", 5000))
        assert receiver.recv(100) == b"still here"


def test_a_router_that_stops_waits_for_nothing_that_lingers(underlay: Underlay) -> None:
    plane = Plane(underlay.host(), 0x7A0000000001, linger_s=3600)
    try:
        plane.wait_for("ready")
        plane.stop()
    except BaseException:
        plane.kill()
        raise


def test_containers_go_on_talking_while_the_router_is_away(underlay: Underlay, launch: Launch) -> None:
    one = underlay.host()
    launch(one).stop()
    with udp_socket(one.container()) as sender, udp_socket(one.container(), port=5000) as receiver:
        sender.sendto(b"hello", ("10.32.1.2", 5000))
        assert receiver.recv(100) == b"hello"


def test_devices_deleted_by_somebody_come_back_with_their_entries(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    establish(launch(one), launch(two))
    one.run("ip link del weave")
    one.run("ip link del weave-vxlan")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and two.address not in addresses(one):
        time.sleep(0.2)
    with udp_socket(one.container()) as sender, udp_socket(two.container(), port=5000) as receiver:
        sender.sendto(b"hello", ("10.32.2.1", 5000))
        assert receiver.recv(100) == b"hello"
