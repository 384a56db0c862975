"""A container's end of the network, in the namespace of a process, on this machine's kernel."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.kernel.namespaces import Host, Underlay, call_in
from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.errors import HostProblem
from weave_cli.host.guest import attach_guest, detach_guest, read_guest, restore_guest
from weave_cli.host.netns import call_in_namespace, is_in_our_namespace
from weave_cli.host.network import prepare_bridge
from weave_cli.host.rules import FirewallFacts

T = TypeVar("T")

ONE, TWO, OTHER = parse_cidr("10.2.1.1/24"), parse_cidr("10.2.1.2/24"), parse_cidr("10.2.2.1/24")


class Container:
    """A process in a namespace of its own, beside a host that has the bridge."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.namespace = host.underlay.namespace(name)
        self.process = subprocess.Popen(["ip", "netns", "exec", self.namespace, "sleep", "1000"])
        # `ip` enters the namespace before it becomes sleep.
        while not self._sleeps():
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        return self.process.pid

    def from_host(self, function: Callable[[], T]) -> T:
        return call_in(self.host.namespace, function)

    def attach(self, *cidrs: Cidr, multicast: bool = True) -> None:
        self.from_host(lambda: attach_guest(self.pid, cidrs, wants_multicast_route=multicast))

    def read(self) -> tuple[Cidr, ...] | None:
        return self.from_host(lambda: read_guest(self.pid))

    def run(self, command: str) -> str:
        return self.host.underlay.run_in(self.namespace, command)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def _sleeps(self) -> bool:
        with open(f"/proc/{self.pid}/comm") as file:
            return file.read().strip() == "sleep"


@pytest.fixture
def container(underlay: Underlay) -> Iterator[Container]:
    host = underlay.host()
    call_in(host.namespace, lambda: prepare_bridge(None, FirewallFacts()))
    made = Container(host, "guest")
    yield made
    made.end()


def host_end(container: Container) -> dict[str, object]:
    (found,) = json.loads(container.host.run(f"ip -j -d link show vethwepl{container.pid}"))
    assert isinstance(found, dict)
    return found


def test_a_container_gets_several_addresses_on_one_interface(container: Container) -> None:
    assert container.read() is None
    container.attach(ONE)
    container.attach(ONE, OTHER)
    assert container.read() == (ONE, OTHER)
    (link,) = json.loads(container.run("ip -j link show ethwe"))
    assert link["mtu"] == 1450 and "UP" in link["flags"]
    end = host_end(container)
    assert end["master"] == "weave" and "UP" in end["flags"]  # type: ignore[operator]
    assert end["linkinfo"]["info_slave_data"]["hairpin"] is True  # type: ignore[index]


def test_neighbours_are_forgotten_soon_in_the_container(container: Container) -> None:
    container.attach(ONE)
    read = [
        container.run(f"cat /proc/sys/net/ipv4/neigh/ethwe/{knob}").strip()
        for knob in ("base_reachable_time", "delay_first_probe_time", "ucast_solicit")
    ]
    assert read == ["5", "2", "1"]


def test_the_multicast_route_is_made_unless_there_is_one_or_none_is_wanted(container: Container) -> None:
    container.attach(ONE, multicast=False)
    assert "224.0.0.0/4" not in container.run("ip route")
    container.run("ip route add 224.0.0.0/4 dev lo")
    container.attach(ONE)
    assert "224.0.0.0/4 dev lo" in container.run("ip route")
    container.run("ip route del 224.0.0.0/4")
    container.attach(ONE)
    assert "224.0.0.0/4 dev ethwe" in container.run("ip route")


def test_a_moved_address_is_announced(container: Container) -> None:
    neighbour = Container(container.host, "neighbour")
    try:
        neighbour.attach(OTHER)

        def listen() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            made.bind(("ethwe", 0x0806))
            made.settimeout(5)
            return made

        with call_in(neighbour.namespace, listen) as heard:
            container.attach(ONE)
            frame = heard.recv(100)
        (link,) = json.loads(container.run("ip -j link show ethwe"))
        mac, address = bytes.fromhex(link["address"].replace(":", "")), bytes([10, 2, 1, 1])
        assert frame[:12] == b"\xff" * 6 + mac
        assert frame[20:42] == b"\x00\x01" + mac + address + b"\xff" * 6 + address
    finally:
        neighbour.end()


def test_detaching_leaves_the_other_addresses_and_the_last_takes_the_interface(container: Container) -> None:
    container.attach(ONE, TWO, OTHER)
    container.from_host(lambda: detach_guest(container.pid, [ONE, parse_cidr("10.9.9.9/24")]))
    assert container.read() == (TWO, OTHER) or container.read() == (OTHER, TWO)
    assert "224.0.0.0/4 dev ethwe" in container.run("ip route")
    container.from_host(lambda: detach_guest(container.pid, [TWO, OTHER]))
    assert container.read() is None
    assert "vethwe" not in container.host.run("ip -o link")
    container.from_host(lambda: detach_guest(container.pid, [TWO]))


def test_a_prefix_of_an_address_is_another_address(container: Container) -> None:
    container.attach(parse_cidr("110.2.1.1/24"))
    container.attach(ONE)
    assert container.read() == (parse_cidr("110.2.1.1/24"), ONE)


def test_what_failed_is_undone(container: Container) -> None:
    refused = Cidr(TWO.address, 33)
    with pytest.raises(HostProblem, match=r"cannot add address 10\.2\.1\.2/33 to ethwe"):
        container.attach(ONE, refused)
    container.from_host(lambda: restore_guest(container.pid, None))
    assert container.read() is None
    assert "vethwe" not in container.host.run("ip -o link")
    container.attach(ONE)
    with pytest.raises(HostProblem):
        container.attach(TWO, refused)
    container.from_host(lambda: restore_guest(container.pid, (ONE,)))
    assert container.read() == (ONE,)


def test_a_dead_container_is_told_and_undoing_minds_none(container: Container) -> None:
    container.end()
    with pytest.raises(ProcessLookupError):
        container.attach(ONE)
    container.from_host(lambda: restore_guest(container.pid, None))


def test_our_own_threads_stay_at_home(container: Container) -> None:
    def links() -> str:
        return " ".join(name for _, name in socket.if_nameindex())

    container.attach(ONE)
    assert "ethwe" in container.from_host(lambda: call_in_namespace(container.pid, links))
    assert "ethwe" not in links()
    assert container.from_host(lambda: is_in_our_namespace(container.pid)) is False


def test_a_bridge_before_any_router_is_left_alone_the_second_time(container: Container) -> None:
    before = container.host.run("ip -o link show weave")
    container.from_host(lambda: prepare_bridge(600, FirewallFacts()))
    assert container.host.run("ip -o link show weave") == before
    assert "mtu 1450" in before and "UP" in before
