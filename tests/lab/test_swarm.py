"""A swarm with the managed plugin: networks of all its hosts, through the life of plugin and manager.

WEAVE_LAB_MANAGERS=3 also lets a swarm of three managers lose the one that leads.
"""

from __future__ import annotations

import os
import re

import pytest

from tests.lab.asking import address, at_once, launch_joined, meets
from tests.lab.checks import ping, pings, resolves, until
from tests.lab.engines import DEFAULT
from tests.lab.hosts import Lab, LabHost
from tests.lab.matrix import every_engine

SERVICE = (
    "docker service create --quiet --detach --name web --network shop --replicas 2 --replicas-max-per-node 1"
    " --endpoint-mode dnsrr --init --stop-grace-period 1s --no-resolve-image busybox sleep 1d"
)


@pytest.mark.timeout(900)  # a machine with other work takes four times as long
@every_engine
def test_networks_of_a_swarm(lab: Lab, two_hosts: tuple[LabHost, LabHost], engine: str) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    refused = one.sh("weave launch-plugin --managed")
    assert refused.status == 1 and "docker swarm init" in refused.stderr
    one.run("docker swarm init --advertise-addr $HOST1")
    token = one.run("docker swarm join-token -q worker")
    two.run(f"docker swarm join --token {token} --advertise-addr $HOST2 $HOST1:2377")
    at_once(*(lambda host=host: host.run("weave launch-plugin --managed", timeout=180) for host in two_hosts))
    assert "DriverName: weave:swarm" in two.run("weave status")
    assert "weave swarm-plugin" in two.run("weave version")

    one.run("docker network create -d weave:swarm --attachable -o works.weave.multicast=true shop")
    one.run("docker network create -d weave:swarm --attachable apart")
    one.run(SERVICE)
    start(one, "c1", "--net=shop --restart=always -h c1.weave.local $(weave dns-args)")
    start(two, "c2", "--net=shop $(weave dns-args)")
    start(two, "stranger", "--net=apart")
    places = until(lambda: tasks(two_hosts), 60, "a task of the service on each host")
    pings(two, "c2", address(one, "c1"))
    pings(two, "c2", "c1")
    for place in places:
        pings(two, "c2", place)
        assert not ping(two, "stranger", place, timeout=1)
    assert "224.0.0.0/4 dev ethwe0" in two.run("docker exec c2 ip route")
    until(lambda: resolves(two, "c2", "web") in places, 30, "Docker knows the service")
    until(lambda: two.run("weave dns-lookup c1"), 30, "weaveDNS knows c1")
    until(lambda: one.run("weave dns-lookup c2"), 30, "weaveDNS knows c2")
    until(lambda: set(two.run("weave dns-lookup web").split()) == places, 30, "weaveDNS knows both tasks")
    start(one, "local", "--net=weave")  # the plugin in the container serves on beside it
    remain_in_use(two)

    # Renewed in its place, under containers: the network works before, meanwhile and afterwards.
    two.run("docker exec -d c2 sh -c 'ping -c1000 -i0.2 -W1 c1 >/tmp/pings'")
    before = two.run("docker plugin inspect -f '{{.Id}}' weave:swarm")
    assert two.run("weave launch-plugin --managed") == before
    renewed = two.run("weave launch-plugin --managed --log-level=debug", timeout=180)
    assert renewed != before
    answered = [int(number) for number in re.findall(r"seq=(\d+) ", two.run("docker exec c2 cat /tmp/pings"))]
    assert len(answered) > 0.9 * answered[-1] > 0
    start(two, "late", "--net=shop")
    pings(two, "late", "c1")

    if engine == DEFAULT:  # it takes as long as all the rest
        lose_manager(two_hosts)
        if os.environ.get("WEAVE_LAB_MANAGERS") == "3":
            lose_leader_of_three((one, two, lab.host(3)))

    said = two.sh("weave reset --force", timeout=120)
    assert said.status == 0 and "Cut off from network shop: " in said.stderr
    assert "weave:swarm" not in two.run("docker plugin ls")
    assert "weavebr-" not in two.run("ip -br link")
    two.run("docker swarm leave --force")
    one.run("docker service rm web; docker rm -f c1 local; weave stop-plugin --dry-run")
    one.run("docker swarm leave --force")


def start(host: LabHost, name: str, words: str) -> None:
    """Workers learn of a network when the first container of theirs asks for it, and may have to wait."""
    host.run(f"docker run -d --init --name {name} {words} busybox sleep 1d")


def tasks(hosts: tuple[LabHost, LabHost]) -> set[str]:
    """The addresses of the service's tasks, once each host has one that runs."""
    found = [
        host.run("docker ps -q -f label=com.docker.swarm.service.name=web -f status=running").split()
        for host in hosts
    ]
    if any(len(one) != 1 for one in found):
        return set()
    return {address(host, one[0]) for host, one in zip(hosts, found, strict=True)} - {""}


def remain_in_use(host: LabHost) -> None:
    """What would make Docker wait for a plugin that is gone is not done."""
    said = host.sh("weave stop-plugin --dry-run")
    assert said.status == 0 and "weave:swarm stays enabled" in said.stderr
    assert "disable" not in said.stdout


def lose_manager(hosts: tuple[LabHost, LabHost]) -> None:
    """The only manager loses its power and comes back; containers of the other host do not mind."""
    one, two = hosts
    one.power_off()
    pings(two, "late", address(two, "c2"))
    one.boot()
    meets(two, 1, timeout=60)
    until(lambda: one.sh("docker exec c1 true").status == 0, 60, "c1 is back")
    pings(two, "c2", address(one, "c1"), timeout=60)
    until(lambda: tasks(hosts), 60, "the service is whole again")
    until(lambda: two.sh("docker run --rm --net=shop busybox true").status == 0, 60, "the manager serves")


def lose_leader_of_three(hosts: tuple[LabHost, LabHost, LabHost]) -> None:
    """With three managers two are a majority: networks are made and joined while the leader is away."""
    one, two, three = hosts
    three.run("weave launch $HOST1", timeout=120)
    token = one.run("docker swarm join-token -q manager")
    three.run(f"docker swarm join --token {token} --advertise-addr $HOST3 $HOST1:2377")
    three.run("weave launch-plugin --managed", timeout=180)
    one.run("docker node promote host2")
    until(lambda: len(managers(one)) == 3, 60, "three managers")
    one.power_off()
    until(lambda: "Leader" in managers(two).values(), 120, "another one leads")
    until(
        lambda: two.sh("docker network create -d weave:swarm --attachable new").status == 0, 60, "it serves"
    )
    # A node waits for its manager as long as it takes, and Docker's command with it.
    until(lambda: is_started(three, "c3", "shop") and is_started(three, "n3", "new"), 120, "three has them")
    pings(three, "c3", address(two, "c2"), timeout=60)
    one.boot()
    until(lambda: len(managers(two)) == 3, 120, "the one that led is back")
    until(lambda: is_started(one, "n1", "new"), 120, "it has the network that was made meanwhile")
    pings(one, "n1", address(three, "n3"), timeout=60)
    for host in (one, three):
        host.run("docker rm -f n1 n3 c3")
    until(lambda: one.sh("docker network rm new").status == 0, 60, "nobody is on it any more")
    one.run("docker node demote host2 host3")
    three.run("weave reset --force && docker swarm leave --force", timeout=120)


def managers(host: LabHost) -> dict[str, str]:
    """What those of them that are up are, by host name."""
    rows = host.run("timeout 10 docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'").splitlines()
    return {words[0]: words[1] for words in map(str.split, rows) if words[1:] in (["Leader"], ["Reachable"])}


def is_started(host: LabHost, name: str, network: str) -> bool:
    """A container of that name runs on the network; one that failed to is removed."""
    if host.sh(f"docker run -d --init --name {name} --net={network} busybox sleep 1d").status == 0:
        return True
    host.sh(f"docker rm -f {name}")
    return False
