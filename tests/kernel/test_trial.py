"""The trial's packets and devices in this kernel: probes against a server, and a kernel tried out."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from weave_cli.connectivity.echo_server import echoing
from weave_cli.connectivity.probes import Prober
from weave_cli.host.trial import try_kernel

pytestmark = pytest.mark.kernel


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    """Processes in two namespaces that a pair of devices joins: 10.9.0.1 and 10.9.0.2."""
    children = [subprocess.Popen(["unshare", "--net", "sleep", "300"]) for _ in range(2)]
    try:
        home = os.readlink("/proc/self/ns/net")
        for child in children:
            while os.readlink(f"/proc/{child.pid}/ns/net") == home:
                os.sched_yield()
        first, second = (child.pid for child in children)
        _in(first, f"ip link add e0 type veth peer name e0 netns {second}")
        for number, pid in ((1, first), (2, second)):
            _in(pid, f"ip addr add 10.9.0.{number}/24 dev e0")
            _in(pid, "ip link set e0 up mtu 1400")
            _in(pid, "ip route add 224.0.0.0/4 dev e0")
        yield first, second
    finally:
        for child in children:
            child.kill()
            child.wait()


def _in(pid: int, command: str) -> None:
    subprocess.run(["nsenter", "-t", str(pid), "-n", *command.split()], check=True)


def test_every_probe_passes_where_the_way_is_free(pair: tuple[int, int]) -> None:
    first, second = pair
    prober = Prober(first, "10.9.0.1")
    with echoing(second, "10.9.0.2"):
        found = [
            prober.ping("10.9.0.2"),
            prober.udp("10.9.0.2"),
            prober.tcp("10.9.0.2"),
            prober.full_size("10.9.0.2", 1400),
            *prober.multicast(["10.9.0.2"]).values(),
        ]
    assert [(one.probe, one.passed) for one in found] == [
        (probe, True) for probe in ("address", "udp", "tcp", "mtu", "multicast")
    ], found
    assert prober.knows_mac("10.9.0.2")


def test_what_is_dropped_fails_and_the_rest_passes(pair: tuple[int, int]) -> None:
    first, second = pair
    prober = Prober(first, "10.9.0.1")
    _in(second, "iptables-nft -A INPUT -p tcp --dport 6785 -j REJECT")
    with echoing(second, "10.9.0.2"):
        assert prober.udp("10.9.0.2").passed
        assert not prober.tcp("10.9.0.2").passed
        told = prober.full_size("10.9.0.2", 1401)
        assert told.passed and "1400 octets" in told.detail
        _in(second, "iptables-nft -A INPUT -m length --length 1301: -j DROP")
        assert not prober.full_size("10.9.0.2", 1400).passed
        answers = prober.multicast(["10.9.0.2", "10.9.0.3"])
    assert {address: one.passed for address, one in answers.items()} == {"10.9.0.2": True, "10.9.0.3": False}
    assert not prober.udp("10.9.0.2").passed
    assert not prober.knows_mac("10.9.0.3")


def test_an_answer_to_multicast_that_nobody_expects_ends_no_wait(pair: tuple[int, int]) -> None:
    first, second = pair
    _in(first, "ip link set lo up")
    with ThreadPoolExecutor() as pool, echoing(first, "10.9.0.1"):
        answers = pool.submit(Prober(first, "10.9.0.1").multicast, ["10.9.0.2"])
        time.sleep(0.3)  # for the first datagram, which the stranger alone answers
        with echoing(second, "10.9.0.2"):
            assert answers.result()["10.9.0.2"].passed


def test_kernel_is_tried_out_without_a_trace() -> None:
    before = sorted(os.listdir("/sys/class/net"))
    assert try_kernel() == dict.fromkeys(("bridge", "veth", "vxlan", "tap", "rules"))
    assert sorted(os.listdir("/sys/class/net")) == before
