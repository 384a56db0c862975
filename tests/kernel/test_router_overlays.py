"""Whole routers and the frames of their containers: over restarts, and in meshes that are not full."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.namespaces import udp_socket
from tests.kernel.programs import eventually
from tests.kernel.routers import Router
from tests.kernel.test_overlay_switch import exchange, stream

Launch = Callable[..., Router]


def overlays(router: Router) -> list[str]:
    """Names of the overlays of the established connections."""
    status, text = router.ask("GET", "/status/connections")
    assert status == 200
    return [line.split()[3] for line in text.splitlines() if " established " in line]


def become(router: Router, wanted: list[str]) -> None:
    eventually(lambda: overlays(router) == wanted, router.log)


class Echo:
    """Asks another container every 20 ms, and counts the answers."""

    def __init__(self, one: str, other: str, address: str) -> None:
        self._sender = udp_socket(one)
        self._receiver = udp_socket(other, port=5001)
        self._address = address
        self._stop = threading.Event()
        self.asked = 0
        self.answered = 0
        self._threads = [threading.Thread(target=work) for work in (self._ask, self._answer, self._count)]
        for made in (self._sender, self._receiver):
            made.settimeout(0.2)
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._sender.close()
        self._receiver.close()

    def _ask(self) -> None:
        while not self._stop.is_set():
            self._sender.sendto(b"?", (self._address, 5001))
            self.asked += 1
            time.sleep(0.02)

    def _answer(self) -> None:
        while not self._stop.is_set():
            try:
                _, source = self._receiver.recvfrom(10)
                self._receiver.sendto(b"!", source)
            except TimeoutError:
                pass

    def _count(self) -> None:
        while not self._stop.is_set():
            try:
                self._sender.recv(10)
                self.answered += 1
            except TimeoutError:
                pass


@contextmanager
def echo(one: str, other: str, address: str) -> Iterator[Echo]:
    made = Echo(one, other, address)
    eventually(lambda: made.answered > 10, lambda: "no answers")
    yield made
    made.end()


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_vxlan_goes_on_while_a_router_restarts(router: Launch, ending: str) -> None:
    one, two = router(), router()
    two.start()
    one.start(two.host.address)
    become(one, ["vxlan"])
    become(two, ["vxlan"])
    with echo(one.host.container(), two.host.container(), "10.32.2.1") as asking:
        time.sleep(1)
        before = asking.asked - asking.answered
        two.stop() if ending == "stop" else two.kill()
        two.start()
        become(one, ["vxlan"])
        become(two, ["vxlan"])
        time.sleep(2)
        lost = asking.asked - asking.answered - before
    assert lost <= 3, f"{lost} of {asking.asked}"


def test_sleeve_is_there_again_when_the_router_is(router: Launch) -> None:
    one, two = router(), router()
    two.host.block_udp(6784)
    two.start()
    one.start(two.host.address)
    become(one, ["sleeve"])
    become(two, ["sleeve"])
    with stream(one.host.container(), two.host.container(), "10.32.2.1") as running:
        running.flows()
        two.kill()
        two.start()
        become(one, ["sleeve"])
        running.flows()


def test_a_line_of_hosts_is_one_network(router: Launch) -> None:
    routers = [router() for _ in range(4)]
    routers[0].start("--no-discovery")
    for before, one in itertools.pairwise(routers):
        one.start("--no-discovery", before.host.address)
    eventually(lambda: [len(overlays(one)) for one in routers] == [1, 2, 2, 1], routers[0].log)
    containers = [one.host.container() for one in routers]
    for other in (1, 2, 3):
        exchange(containers[0], containers[other], f"10.32.{other + 1}.1")
    with stream(containers[0], containers[3], "10.32.4.1") as running:
        running.flows()


def test_reports_tell_who_carries_and_where_addresses_are(router: Launch, tmp_path: Path) -> None:
    one, two = router(), router()
    two.host.block_udp(6784)
    two.start()
    one.start(two.host.address)
    become(one, ["sleeve"])
    eventually(lambda: "vxlan=our heartbeats to" in one.ask("GET", "/status/connections")[1], one.log)
    assert " mtu=1438 vxlan=" in one.ask("GET", "/status/connections")[1]
    here, there = one.host.container(), two.host.container()
    exchange(here, there, "10.32.2.1")
    mac = two.host.underlay.run_in(there, "cat /sys/class/net/eth0/address").strip()
    status, text = one.ask("GET", "/report?format={{json%20.}}")
    assert status == 200
    told = json.loads(text)["Router"]
    (home,) = [line for line in told["MACs"] if line["Mac"] == mac]
    assert (home["Name"], home["NickName"]) == ("7a:00:00:00:00:02", "host2")
    assert told["OverlayDiagnostics"]["vxlan"]["Carriage"] == [
        {"Name": "7a:00:00:00:00:02", "Address": two.host.address, "Carries": "nothing"}
    ]
    assert told["Interface"] == "weave-vxlan (via kernel), weave-tap (via sleeve)"
