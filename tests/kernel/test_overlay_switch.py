"""Data planes that have two overlays: which one carries, and what it takes to make them change."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.kernel.namespaces import Host, Underlay, call_in, udp_socket
from tests.kernel.planes import Plane, join
from weave_cli.router.overlay.forwarding import FLOOD_MAC
from weave_cli.router.overlay.vxlan import PROOF_TIMEOUT_S, SILENCE_TIMEOUT_S

Launch = Callable[[Host], Plane]

VXLAN_PORT, SLEEVE_PORT = 6784, 6783
#: What sleeve lets containers send through a path of 1500 octets.
SLEEVE_MTU = 1438
#: The largest IP packet that a narrow path lets through: soon found, as most tests of sleeve pass.
NARROW = 1496
_IP_MTU_DISCOVER, _IP_PMTUDISC_DO, _IP_MTU = 10, 2, 14


def overlay_becomes(plane: Plane, name: str, *, conn: int = 1, within_s: float = 40) -> dict[str, Any]:
    """The attributes once that overlay carries."""
    deadline = time.monotonic() + within_s
    while (told := plane.attributes(conn)).get("name") != name:
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    return told


def mtu_becomes(plane: Plane, mtu: int, *, conn: int = 1, within_s: float = 10) -> dict[str, Any]:
    deadline = time.monotonic() + within_s
    while (told := plane.attributes(conn)).get("mtu") != mtu:
        assert time.monotonic() < deadline, told
        time.sleep(0.05)
    return told


def flooded(host: Host) -> set[str]:
    """Addresses to which the kernel floods."""
    lines = host.run("bridge fdb show dev weave-vxlan").splitlines()
    return {line.split()[2] for line in lines if line.startswith(FLOOD_MAC)}


def exchange(one: str, other: str, address: str, *, sizes: tuple[int, ...] = (100, 1300, 5000)) -> None:
    """Datagrams of these sizes there and back; whatever is received has a good checksum."""
    with udp_socket(one) as sender, udp_socket(other, port=5000) as receiver:
        for size in sizes:
            octets = os.urandom(size)
            answer = b""
            for _ in range(5):  # the first ones may meet a switch that is just changing
                sender.settimeout(2)
                sender.sendto(octets, (address, 5000))
                receiver.settimeout(2)
                try:
                    data, source = receiver.recvfrom(65_536)
                    receiver.sendto(data, source)
                    answer = sender.recv(65_536)
                    break
                except TimeoutError:
                    continue
            assert answer == octets, f"{size} octets"


class Stream:
    """A TCP connection between two containers that carries known octets for as long as wanted."""

    def __init__(self, client: str, server: str, address: str) -> None:
        listener = call_in(server, lambda: socket.create_server(("0.0.0.0", 7000)))
        self._sender = call_in(client, lambda: socket.create_connection((address, 7000), timeout=60))
        self._receiver, _ = listener.accept()
        listener.close()
        self._stop = threading.Event()
        self._sent, self._received = hashlib.sha256(), hashlib.sha256()
        self.octets = 0
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]
        for thread in self._threads:
            thread.start()

    def flows(self, within_s: float = 30) -> None:
        """More octets arrive."""
        before, deadline = self.octets, time.monotonic() + within_s
        while self.octets < before + 100_000:
            assert time.monotonic() < deadline, "the stream stands still"
            time.sleep(0.05)

    def end(self) -> None:
        """All that was sent arrived, unchanged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        self._sender.close()
        self._receiver.close()
        assert self._sent.digest() == self._received.digest()

    def _send(self) -> None:
        while not self._stop.is_set():
            octets = os.urandom(20_000)
            self._sender.sendall(octets)
            self._sent.update(octets)
            time.sleep(0.005)
        self._sender.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        while octets := self._receiver.recv(65_536):
            self._received.update(octets)
            self.octets += len(octets)


@contextmanager
def stream(client: str, server: str, address: str) -> Iterator[Stream]:
    made = Stream(client, server, address)
    yield made
    made.end()


def test_vxlan_carries_and_sleeve_is_there_beside_it(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    join(here, there, 1)
    for plane in (here, there):
        plane.wait_for("established")
        assert overlay_becomes(plane, "vxlan") == {
            "event": "attributes",
            "conn": 1,
            "name": "vxlan",
            "mtu": 1450,
        }
    exchange(one.container(), two.container(), "10.32.2.1")
    for host in (one, two):
        host.block_udp(VXLAN_PORT)
    told = overlay_becomes(here, "sleeve", within_s=2 * SILENCE_TIMEOUT_S)
    assert told["mtu"] == SLEEVE_MTU, "found while vxlan carried"


def test_blocked_from_the_start_sleeve_carries_and_the_reason_is_told(
    underlay: Underlay, launch: Launch
) -> None:
    one, two = underlay.host(), underlay.host()
    two.block_udp(VXLAN_PORT)
    here, there = launch(one), launch(two)
    join(here, there, 1)
    for plane in (here, there):
        plane.wait_for("established", timeout_s=PROOF_TIMEOUT_S)
        overlay_becomes(plane, "sleeve", within_s=1)
    client, server = one.container(), two.container()
    exchange(client, server, "10.32.2.1")
    deadline = time.monotonic() + 2 * PROOF_TIMEOUT_S
    while len(here.attributes(1)) + len(there.attributes(1)) < 10:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert mtu_becomes(here, SLEEVE_MTU)["vxlan"] == (
        "our heartbeats to UDP port 6784 of host2 did not arrive for 5 s: is the port blocked at 10.205.2.1?"
    )
    assert mtu_becomes(there, SLEEVE_MTU)["vxlan"] == (
        "no heartbeats through UDP port 6784 from host1 for 5 s: is the port blocked?"
    )
    assert flooded(one) == flooded(two) == set()
    exchange(client, server, "10.32.2.1")
    with stream(client, server, "10.32.2.1") as running:
        running.flows()
        two.unblock_udp(VXLAN_PORT)
        for plane in (here, there):
            overlay_becomes(plane, "vxlan")
        assert (flooded(one), flooded(two)) == ({two.address}, {one.address})
        running.flows()
    exchange(client, server, "10.32.2.1")
    assert here.unexpected() == there.unexpected() == []


@pytest.mark.parametrize("blocked", [(1,), (1, 2)], ids=["one way", "both ways"])
def test_blocked_later_a_stream_goes_on_by_sleeve(
    underlay: Underlay, launch: Launch, blocked: tuple[int, ...]
) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    join(here, there, 1)
    for plane in (here, there):
        overlay_becomes(plane, "vxlan")
    with stream(one.container(), two.container(), "10.32.2.1") as running:
        running.flows()
        for host in (one, two):
            if host.number in blocked:
                host.block_udp(VXLAN_PORT)
        for plane in (here, there):
            overlay_becomes(plane, "sleeve", within_s=SILENCE_TIMEOUT_S + 4)
        running.flows()
    assert here.unexpected() == there.unexpected() == []


def test_a_path_that_drops_large_packets_is_left_to_sleeve(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    two.drop_large(NARROW)
    here, there = launch(one), launch(two)
    join(here, there, 1)
    for plane in (here, there):
        overlay_becomes(plane, "vxlan", within_s=10)
    client, server = one.container(), two.container()
    # The way back is wide, and is left, too: frames that came by it would bring the others back to it.
    told = {plane.name: overlay_becomes(plane, "sleeve") for plane in (here, there)}
    assert "packets of our MTU 1450 to host2 get lost without a word" in told[here.name]["vxlan"]
    assert "packets of our MTU 1450 from host1 get lost without a word" in told[there.name]["vxlan"]
    assert flooded(one) == flooded(two) == set()
    assert mtu_becomes(here, NARROW - (1500 - SLEEVE_MTU), within_s=60)["name"] == "sleeve"
    exchange(client, server, "10.32.2.1", sizes=(100, 1420, 10_000))
    with stream(client, server, "10.32.2.1") as running:
        running.flows()
        two.let_large_pass(NARROW)
        for plane in (here, there):
            assert "vxlan" not in overlay_becomes(plane, "vxlan")
        assert (flooded(one), flooded(two)) == ({two.address}, {one.address})
        running.flows()
    exchange(client, server, "10.32.2.1", sizes=(100, 1420, 10_000))
    assert here.unexpected() == there.unexpected() == []


def test_a_path_that_cuts_large_packets_is_good_enough(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    # The router in the middle fragments what may be, and its complaints about the rest get lost.
    underlay.run_in(underlay.router, f"ip route add {two.address} dev h2 mtu lock 1400")
    one.refuse_complaints()
    here, there = launch(one), launch(two)
    join(here, there, 1)
    deadline = time.monotonic() + 60
    while here.attributes(1).get("path_mtu") != "narrower":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    client, server = one.container(), two.container()
    exchange(client, server, "10.32.2.1")
    assert here.attributes(1)["name"] == there.attributes(1)["name"] == "vxlan"


def test_both_blocked_is_the_end_and_tells_why(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    for port in (VXLAN_PORT, SLEEVE_PORT):
        two.block_udp(port)
    here, there = launch(one), launch(two)
    join(here, there, 1)
    reason = here.wait_for("failed", timeout_s=90)["reason"]
    assert reason.startswith(
        "no working forwarders to 7a:00:00:00:00:02(host2): vxlan: our heartbeats to UDP"
    )
    assert "; sleeve: " in reason
    assert there.wait_for("failed", timeout_s=90)["reason"].startswith(
        "no working forwarders to 7a:00:00:00:00:01(host1): vxlan: no heartbeats through UDP port 6784"
    )


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"overlays": ["fastdp", "sleeve"]}, "the peer does not offer it"),
        ({"key": "11" * 32}, "it does not encrypt"),
        (
            {"extra": {"VxlanPort": "7784"}},
            "UDP port 7784 for it, we use 6784: all hosts need the same --port",
        ),
    ],
    ids=["as with Go", "sealed", "other port"],
)
def test_where_vxlan_cannot_be_sleeve_carries_at_once(
    underlay: Underlay, launch: Launch, facts: dict[str, Any], reason: str
) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    join(here, there, 1, **facts)
    for plane in (here, there):
        plane.wait_for("established", timeout_s=5)
        told = mtu_becomes(plane, 1414 if "key" in facts else SLEEVE_MTU)
        assert (told["name"], str(told["vxlan"]).endswith(reason)) == ("sleeve", True)
    client, server = one.container(), two.container()
    exchange(client, server, "10.32.2.1")
    with stream(client, server, "10.32.2.1") as running:
        running.flows()


def test_large_frames_that_may_not_be_fragmented_are_answered(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    join(here, there, 1, overlays=["sleeve"])
    for plane in (here, there):
        mtu_becomes(plane, SLEEVE_MTU)
    client, server = one.container(), two.container()
    exchange(client, server, "10.32.2.1", sizes=(100,))
    with udp_socket(client) as sender:
        sender.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
        sender.connect(("10.32.2.1", 5000))
        sender.send(bytes(1450 - 28))
        deadline = time.monotonic() + 10
        while sender.getsockopt(socket.IPPROTO_IP, _IP_MTU) != SLEEVE_MTU:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_sleeve_process_that_dies_is_replaced(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    join(here, there, 1, overlays=["sleeve"])
    for plane in (here, there):
        overlay_becomes(plane, "sleeve")
    client, server = one.container(), two.container()
    with stream(client, server, "10.32.2.1") as running:
        running.flows()
        before = here.sleeve_pid() or 0
        os.kill(before, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while (after := here.sleeve_pid()) in (before, None):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.flows()
    exchange(client, server, "10.32.2.1")
    assert here.unexpected() == there.unexpected() == []
    here.stop()
    assert not os.path.exists(f"/proc/{after}")
    assert "weave-tap" not in one.run("ip -br link")


def test_a_sealed_connection_ends_with_its_sleeve_process(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    join(here, there, 1, key="22" * 32)
    overlay_becomes(here, "sleeve")
    os.kill(here.sleeve_pid() or 0, signal.SIGKILL)
    assert "a key serves one process only" in here.wait_for("failed")["reason"]


def test_a_router_that_is_killed_leaves_no_sleeve_process(underlay: Underlay, launch: Launch) -> None:
    one = underlay.host()
    here = launch(one)
    child = here.sleeve_pid()
    here.kill()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{child}"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "weave-tap" not in one.run("ip -br link")
    launch(one)


def test_frames_go_on_over_sleeve_when_the_router_is_back(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    join(here, there, 1, overlays=["sleeve"])
    overlay_becomes(here, "sleeve")
    client, server = one.container(), two.container()
    with stream(client, server, "10.32.2.1") as running:
        running.flows()
        there.order("end", conn=1)
        here.stop()
        again = launch(one)
        join(again, there, 2, overlays=["sleeve"])
        overlay_becomes(again, "sleeve", conn=2)
        running.flows()


def test_a_tap_device_that_somebody_deletes_comes_back(underlay: Underlay, launch: Launch) -> None:
    one, two = underlay.host(), underlay.host()
    here, there = launch(one), launch(two)
    join(here, there, 1, overlays=["sleeve"])
    overlay_becomes(here, "sleeve")
    client, server = one.container(), two.container()
    with stream(client, server, "10.32.2.1") as running:
        running.flows()
        one.run("ip link del weave-tap")
        running.flows(within_s=60)
