"""Driver `weave` with a cluster store: networks of all hosts, each of them for itself.

Engine 20.10 is the last one that knows cluster stores. The hosts live for the whole module; every test has
networks of its own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import engines
from tests.lab.asking import address, launch_joined, networks
from tests.lab.checks import ping, pings, resolves, until
from tests.lab.etcd import Etcd
from tests.lab.hosts import Lab, LabHost

Two = tuple[LabHost, LabHost]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Two]:
    """Two hosts whose engines share a store, and whose routers are connected."""
    with (
        tempfile.TemporaryDirectory(prefix="weave-etcd-") as directory,
        Lab(engines.prepare("20.10")) as lab,
        Etcd(lab.switch, Path(directory)) as etcd,
    ):
        hosts = lab.host(1), lab.host(2)
        for host in hosts:
            settings = {
                "cluster-store": etcd.url.replace("http:", "etcd:"),
                "cluster-advertise": f"{host.ip}:2376",
                "live-restore": True,
            }
            host.run("mkdir -p /etc/docker && cat >/etc/docker/daemon.json", stdin=json.dumps(settings))
            host.restart_engine()
        launch_joined(hosts)
        yield hosts


def run(host: LabHost, name: str, words: str) -> None:
    host.run(f"docker run -d --init --name {name} {words} busybox sleep 1d")


def remove(hosts: Two, *unused: str) -> None:
    """All containers of users, then the networks."""
    for host in hosts:
        host.run("docker ps -a --format '{{.Names}}' | grep -v '^weave' | xargs -r docker rm -f")
    hosts[0].run(f"docker network rm {' '.join(unused)}")


def test_networks_are_on_all_hosts_and_each_for_itself(cluster: Two) -> None:
    one, two = cluster
    one.run("docker network create --driver weave --subnet 10.50.1.0/24 red")
    one.run("docker network create --driver weave blue")
    two.run("docker network create --driver weave --ipam-driver weave --subnet 10.33.1.0/24 green")
    wanted = {"red", "blue", "green"}
    until(lambda: networks(one) == networks(two) == wanted, 10, "both hosts know all networks")
    for network in sorted(wanted):
        run(one, f"{network}1", f"--net={network} -h {network}1.weave.local $(weave dns-args)")
        run(two, f"{network}2", f"--net={network} $(weave dns-args)")
    places = {network: address(one, f"{network}1") for network in wanted}
    others = {network: address(two, f"{network}2") for network in wanted}
    assert len({*places.values(), *others.values()}) == 6
    assert places["red"].startswith("10.50.1.") and others["green"].startswith("10.33.1.")
    for network in sorted(wanted):
        pings(two, f"{network}2", places[network])
        pings(two, f"{network}2", f"{network}1")
        pings(one, f"{network}1", f"{network}2")
        _until_named(two, f"{network}1", places[network])
    assert resolves(two, "red2", "green1.weave.local") == places["green"]
    for network in sorted(wanted):
        for other in sorted(wanted - {network}):
            assert not ping(one, f"{network}1", others[other], timeout=1)
    remove((one, two), "red", "blue", "green")
    until(lambda: networks(one) == networks(two) == set(), 10, "both hosts have forgotten the networks")
    until(lambda: "weavebr-" not in one.run("ip -br link"), 15, "the host that removed them kept no device")


def _until_named(host: LabHost, name: str, place: str) -> None:
    until(lambda: host.run(f"weave dns-lookup {name}") == place, 10, f"weaveDNS knows {name}")


def test_options_are_honoured(cluster: Two) -> None:
    one, two = cluster
    one.run("docker network create -d weave --subnet 10.50.2.0/24 -o works.weave.multicast=true opts")
    one.run(
        "docker network create -d weave --subnet 10.50.3.0/24 --internal"
        " -o com.docker.network.driver.mtu=1300 inner"
    )
    refused = one.sh("docker network create -d weave -o works.weave.multicast=perhaps odd")
    assert refused.status == 1 and "invalid value of option" in refused.stderr
    run(one, "fixed", "--net=opts --ip 10.50.2.77 --mac-address 02:00:00:00:00:77")
    run(two, "other", "--net=opts")
    assert address(one, "fixed") == "10.50.2.77"
    assert "02:00:00:00:00:77" in one.run("docker exec fixed ip link show ethwe0")
    pings(two, "other", "10.50.2.77")
    assert "224.0.0.0/4 dev ethwe0" in one.run("docker exec fixed ip route")
    run(one, "walled", "--net=inner")
    run(two, "walled2", "--net=inner")
    for host, name in ((one, "walled"), (two, "walled2")):
        assert "mtu 1300" in host.run(f"docker exec {name} ip link show ethwe0")
        assert "default" not in host.run(f"docker exec {name} ip route")
    pings(two, "walled2", "walled")
    # A second network for a container that runs, and away again.
    two.run("docker network connect inner other")
    pings(two, "other", "walled")
    pings(two, "other", "fixed")
    two.run("docker network disconnect inner other")
    assert not ping(two, "other", address(one, "walled"), timeout=1)
    pings(two, "other", "fixed")
    remove((one, two), "opts", "inner")


def test_a_network_may_ask_to_share_the_one_of_all(cluster: Two) -> None:
    one, two = cluster
    one.run("docker network create -d weave --subnet 10.50.4.0/24 -o works.weave.isolated=false open")
    run(one, "door", "--net=open")
    assert "master weave " in one.run("ip link | grep vethwl")
    run(two, "window", "--net=open")  # where nobody has told the plugin of its options
    assert "master weave " in two.run("ip link | grep vethwl")
    pings(two, "window", "door")
    run(two, "room", "--net=weave")
    two.run("weave attach 10.50.4.200/24 room")
    pings(two, "room", address(one, "door"))
    remove((one, two), "open")


def test_containers_live_through_a_restart_of_engine_router_and_plugin(cluster: Two) -> None:
    one, two = cluster
    one.run("docker network create -d weave --subnet 10.50.5.0/24 long")
    run(one, "near", "--net=long --restart=always")
    run(two, "far", "--net=long")
    pings(two, "far", "near")
    process = one.run("docker inspect -f '{{.State.Pid}}' near")
    one.restart_engine()  # with live-restore
    until(lambda: one.sh("weave status").status == 0, 30, "the router answers")
    assert one.run("docker inspect -f '{{.State.Pid}}' near") == process
    pings(two, "far", "near")
    one.run("weave stop && weave launch $HOST2", timeout=120)
    pings(two, "far", "near")
    run(one, "late", "--net=long")
    pings(two, "far", "late")
    one.run("docker rm -f near late")
    remove((one, two), "long")
