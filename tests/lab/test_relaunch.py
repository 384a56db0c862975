"""What a launch takes over of the one before, and what it does not: peers, name, range, addresses, policy."""

from __future__ import annotations

import pytest

from tests.lab.asking import address, launch_joined, meets
from tests.lab.checks import pings, until
from tests.lab.hosts import LabHost

Two = tuple[LabHost, LabHost]


def targets(host: LabHost) -> list[str]:
    said = host.run("weave report -f '{{range .Router.Targets}}{{.}} {{end}}'")
    return sorted(said.split())


def name(host: LabHost) -> str:
    return host.run("weave report -f '{{.Router.Name}}'")


def restart_router(host: LabHost) -> None:
    """By Docker, as a crash or an update of the engine does: no command of ours takes part."""
    host.run("docker restart -t 5 weave")
    until(lambda: host.sh("weave status").status == 0, 60, "the router is back")


@pytest.mark.timeout(600)
def test_a_launch_knows_the_last_one_s_peers_and_name_as_far_as_it_is_told_to(two_hosts: Two) -> None:
    one, two = two_hosts
    one.run("weave launch --init-peer-count=1 --ipalloc-range=10.2.0.0/16 $HOST1 $HOST2", timeout=120)
    called = name(one)
    one.run("weave prime && weave forget $HOST1 && weave connect 10.2.2.2")
    changed = sorted([two.ip, "10.2.2.2"])
    restart_router(one)
    assert targets(one) == changed

    # Another range: what was of the old one is forgotten, and addresses are there at once.
    one.run("weave stop && ip link del weave", timeout=120)
    one.run("weave launch --resume --init-peer-count=1 --ipalloc-range=10.3.0.0/16", timeout=120)
    assert (targets(one), name(one)) == (changed, called)
    assert one.run("weave run --init --name=c1 -ti busybox") and address(one, "c1") == "10.3.0.1"

    one.run("weave stop && weave launch --no-restart --ipalloc-range=10.3.0.0/16 $HOST2", timeout=180)
    assert targets(one) == [two.ip]
    restart_router(one)
    assert (targets(one), name(one)) == ([two.ip], called)
    one.run("kill -KILL $(docker inspect -f '{{.State.Pid}}' weave)")
    state = "docker inspect -f '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}} {{.RestartCount}}' weave"
    until(lambda: one.run(state) == "exited no 0", 30, "the router stays dead")

    # The name belongs to the addresses: where both are given up another machine id makes another one.
    one.run("docker rm -f c1; cp /etc/machine-id /etc/machine-id.before")
    try:
        one.run(
            "tr 0-9a-f 8-9a-f0-7 </etc/machine-id.before >/etc/machine-id && weave reset --force", timeout=120
        )
        one.run("weave launch", timeout=120)
        assert name(one) != called
    finally:
        one.run("mv /etc/machine-id.before /etc/machine-id")


@pytest.mark.timeout(600)
def test_addresses_are_known_again_and_those_of_the_dead_are_free(two_hosts: Two) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    exposed = one.run("weave expose")
    for host, names in ((one, ("c1",)), (two, ("c2", "c3"))):
        for container in names:
            host.run(f"weave run --init --name={container} -ti busybox")
    first, of_the_dead = address(one, "c1"), address(two, "c3")
    pings(two, "c2", first)
    one.run("weave stop", timeout=120)
    two.run("weave stop && docker rm -f c3", timeout=120)
    # Alone: had it forgotten everything, it would divide the range for itself and begin at the front.
    two.run("weave launch", timeout=120)
    two.run("weave run --init --name=c4 -ti busybox")
    assert address(two, "c4") == of_the_dead

    one.run("weave launch $HOST2", timeout=120)
    meets(one, 1)
    restart_router(one)
    one.run("weave run --init --name=c5 -ti busybox")
    assert address(one, "c5") not in (exposed, first)
    pings(two, "c4", first)
