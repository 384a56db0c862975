"""Somebody joins the bridges of two hosts by a cable beside the overlay: decisions 10 and 12.

That is a loop, as between any two switches without a spanning tree, and no router prevents it. What is
promised: the routers live through it, and when the cable is gone everything is as before, without a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.kernel.namespaces import Host, Underlay, udp_socket
from tests.kernel.planes import Plane
from tests.kernel.test_overlay_meshes import Mesh
from tests.kernel.test_overlay_switch import exchange

_PORTS = ("weave-tap", "weave-vxlan")


def sent(hosts: list[Host]) -> int:
    """Frames that bridges have given to the overlays."""
    counters = [f"/sys/class/net/{port}/statistics/tx_packets" for port in _PORTS]
    return sum(int(number) for host in hosts for number in host.run(f"cat {' '.join(counters)}").split())


@pytest.mark.parametrize("old", [(2,), ()], ids=["sleeve", "vxlan"])
def test_a_loop_ends_with_its_cable_and_nothing_is_left_of_it(
    underlay: Underlay, launch: Callable[[Host], Plane], old: tuple[int, ...]
) -> None:
    mesh = Mesh(underlay, launch, [(1, 2)], old=old)
    one, two = mesh.hosts
    processes = [plane.sleeve_pid() for plane in mesh.planes]
    sender = udp_socket(mesh.containers[0])
    receiver = udp_socket(two.container(), port=5000)
    one.run(f"ip link add cable type veth peer name cable netns {two.namespace}")
    for host in mesh.hosts:
        host.run("ip link set cable master weave up")
    before = sent(mesh.hosts)
    sender.sendto(b"round and round", ("10.32.255.255", 5000))
    deadline = time.monotonic() + 20
    while sent(mesh.hosts) < before + 1000:  # it is a loop indeed
        assert time.monotonic() < deadline, sent(mesh.hosts) - before
        time.sleep(0.1)

    one.run("ip link del cable")
    deadline = time.monotonic() + 20
    latest = -1
    while (now := sent(mesh.hosts)) > latest + 5:
        assert time.monotonic() < deadline, "frames circulate without a cable"
        latest = now
        time.sleep(0.5)
    time.sleep(2.5)  # so long a frame from there is taken for an echo
    exchange(mesh.containers[0], mesh.containers[1], "10.32.2.1")
    receiver.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while receiver.recv(100) == b"round and round":
            pass
    sender.sendto(b"once", ("10.32.255.255", 5000))
    assert receiver.recv(100) == b"once"
    with pytest.raises(TimeoutError):
        receiver.recv(100)
    assert [plane.sleeve_pid() for plane in mesh.planes] == processes
    assert [plane.unexpected() for plane in mesh.planes] == [[], []]
    sender.close()
    receiver.close()
