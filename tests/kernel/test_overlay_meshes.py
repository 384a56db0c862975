"""Several data planes in meshes of all shapes: each frame arrives everywhere, once, and the way it should."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Collection

import pytest

from tests.kernel.namespaces import Host, Underlay, call_in, udp_socket
from tests.kernel.planes import Plane, join, unicast_table
from tests.kernel.test_overlay_switch import exchange, overlay_becomes, stream

Launch = Callable[[Host], Plane]

_BROADCAST = ("10.32.255.255", 5000)
_ANNOUNCEMENT = b"\xff" * 6 + bytes.fromhex("0a00000000aa") + b"\x90\x00" + bytes(46)


class Mesh:
    """Hosts numbered from 1, joined as the pairs say; `old` ones know overlay sleeve only."""

    def __init__(
        self,
        underlay: Underlay,
        launch: Launch,
        links: Collection[tuple[int, int]],
        *,
        old: Collection[int] = (),
        blocked: Collection[int] = (),
    ) -> None:
        count = max(number for link in links for number in link)
        self.hosts = [underlay.host() for _ in range(count)]
        for number in blocked:
            self.hosts[number - 1].block_udp(6784)
        self.planes = [launch(host) for host in self.hosts]
        self._links = dict(enumerate(links, start=1))
        for conn, (one, other) in self._links.items():
            overlays = ["sleeve"] if {one, other} & set(old) else ["vxlan", "sleeve"]
            join(self.planes[one - 1], self.planes[other - 1], conn, overlays=overlays)
        for conn, pair in self._links.items():
            is_by_sleeve = set(pair) & {*old, *blocked}
            for number in pair:
                plane = self.planes[number - 1]
                overlay_becomes(plane, "sleeve" if is_by_sleeve else "vxlan", conn=conn)
        for plane in self.planes:
            self._wait_until_settled(plane, {*old, *blocked})
        self.containers = [host.container() for host in self.hosts]

    def _wait_until_settled(self, plane: Plane, without_vxlan: Collection[int]) -> None:
        """Until the kernel carries what it will carry: broadcasts not to those that pass them on."""
        hops = unicast_table(plane)
        wanted = {}
        for other in plane.neighbours.values():
            leads = any(hop == other.name for name, hop in hops.items() if name != hop)
            is_carried = not {plane.host.number, other.host.number} & {*without_vxlan}
            wanted[other.host.address] = ("unicast" if leads else "everything") if is_carried else "nothing"
        deadline = time.monotonic() + 20
        while (found := plane.carriage()) != wanted:
            assert time.monotonic() < deadline, (found, wanted)
            time.sleep(0.05)


LINE = [(1, 2), (2, 3)]
LINE_OF_FOUR = [(1, 2), (2, 3), (3, 4)]
TRIANGLE = [(1, 2), (1, 3), (2, 3)]
RING = [(1, 2), (2, 3), (3, 4), (1, 4)]
TWO_TRIANGLES = [(1, 2), (1, 3), (2, 3), (3, 4), (3, 5), (4, 5)]

_SHAPES = [
    pytest.param(TRIANGLE, (), (), id="triangle"),
    pytest.param(TRIANGLE, (), (3,), id="triangle, one blocked"),
    pytest.param(TRIANGLE, (2,), (), id="triangle, one of Go's kind"),
    pytest.param(LINE, (), (), id="line"),
    pytest.param(LINE, (3,), (), id="line, then one of Go's kind"),
    pytest.param(LINE, (2,), (), id="line over one of Go's kind"),
    pytest.param(LINE_OF_FOUR, (), (), id="line of four"),
    pytest.param(RING, (), (), id="ring"),
    pytest.param(TWO_TRIANGLES, (), (), id="two triangles"),
    pytest.param(TWO_TRIANGLES, (4,), (1,), id="two triangles, mixed"),
]


@pytest.mark.parametrize(("links", "old", "blocked"), _SHAPES)
def test_a_broadcast_arrives_everywhere_once(
    underlay: Underlay,
    launch: Launch,
    links: list[tuple[int, int]],
    old: tuple[int, ...],
    blocked: tuple[int, ...],
) -> None:
    mesh = Mesh(underlay, launch, links, old=old, blocked=blocked)
    senders = [udp_socket(container) for container in mesh.containers]
    receivers = [udp_socket(host.container(), port=5000) for host in mesh.hosts]
    texts = [f"{number} of {sender}".encode() for number in range(3) for sender in range(len(senders))]
    for text in texts:
        senders[int(text[-1:])].sendto(text, _BROADCAST)
        time.sleep(0.02)
    for receiver in receivers:
        received = [receiver.recv(100) for _ in texts]
        receiver.settimeout(0.5)
        with pytest.raises(TimeoutError):
            receiver.recv(100)
        assert sorted(received) == sorted(texts)
        receiver.close()
    for sender in senders:
        sender.close()


@pytest.mark.parametrize(("links", "old", "blocked"), _SHAPES)
def test_every_container_reaches_every_other(
    underlay: Underlay,
    launch: Launch,
    links: list[tuple[int, int]],
    old: tuple[int, ...],
    blocked: tuple[int, ...],
) -> None:
    mesh = Mesh(underlay, launch, links, old=old, blocked=blocked)
    for number, one in enumerate(mesh.containers):
        for other, container in enumerate(mesh.containers):
            if other > number:
                exchange(one, container, f"10.32.{other + 1}.1")
    last = len(mesh.hosts)
    with stream(mesh.containers[0], mesh.containers[-1], f"10.32.{last}.1") as running:
        running.flows()


def places(host: Host, mac: str) -> set[str]:
    """Ports of the bridge behind which it believes the address."""
    listed = json.loads(host.run("bridge -j fdb show br weave"))
    return {one["ifname"] for one in listed if one["mac"] == mac and one.get("master") == "weave"}


def announce(container: str) -> None:
    """A broadcast whose source is a MAC address that moves."""
    with call_in(container, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as sender:
        sender.bind(("eth0", 0))
        sender.send(_ANNOUNCEMENT)


def test_a_mac_address_that_moves_is_followed(underlay: Underlay, launch: Launch) -> None:
    mesh = Mesh(underlay, launch, TRIANGLE, old=(3,))
    here, mac = mesh.hosts[0], "0a:00:00:00:00:aa"

    def place_becomes(port: str) -> None:
        deadline = time.monotonic() + 10
        while places(here, mac) != {port}:
            assert time.monotonic() < deadline, places(here, mac)
            time.sleep(0.05)

    for number, port in (
        (2, "weave-vxlan"),
        (3, "weave-tap"),
        (1, "vethwl1"),
        (3, "weave-tap"),
        (2, "weave-vxlan"),
        (3, "weave-tap"),
        (2, "weave-vxlan"),
        (1, "vethwl1"),
    ):
        # A captured frame whose source was just elsewhere looks like one that came round a loop.
        time.sleep(2.5)
        announce(mesh.containers[number - 1])
        place_becomes(port)


def test_unicasts_to_known_addresses_reach_no_third_host(underlay: Underlay, launch: Launch) -> None:
    mesh = Mesh(underlay, launch, TRIANGLE, old=(2,))
    one, two, three = mesh.containers
    exchange(one, two, "10.32.2.1")
    with call_in(three, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))) as watcher:
        watcher.bind(("eth0", 3))
        exchange(one, two, "10.32.2.1")
        watcher.setblocking(False)
        seen = []
        try:
            while True:
                seen.append(watcher.recv(2000))
        except BlockingIOError:
            pass
    assert [frame for frame in seen if frame[12:14] == b"\x08\x00"] == []


def test_kernels_of_neighbours_that_relay_find_each_other_all_the_same(
    underlay: Underlay, launch: Launch
) -> None:
    mesh = Mesh(underlay, launch, LINE_OF_FOUR)
    _, two, three, _ = mesh.containers
    exchange(two, three, "10.32.3.1")
    for host, container in ((mesh.hosts[1], three), (mesh.hosts[2], two)):
        mac = underlay.run_in(container, "cat /sys/class/net/eth0/address").strip()
        assert places(host, mac) == {"weave-vxlan"}


def test_neighbours_reach_each_other_where_sleeve_is_blocked(underlay: Underlay, launch: Launch) -> None:
    hosts = [underlay.host() for _ in range(3)]
    for host in hosts:
        host.block_udp(6783)
    planes = [launch(host) for host in hosts]
    for conn, (one, other) in enumerate(LINE, start=1):
        join(planes[one - 1], planes[other - 1], conn)
        overlay_becomes(planes[one - 1], "vxlan", conn=conn)
    containers = [host.container() for host in hosts]
    exchange(containers[0], containers[1], "10.32.2.1")
    exchange(containers[1], containers[2], "10.32.3.1")
