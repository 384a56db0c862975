"""Routers, plugins and hosts that go and come back: names, addresses and connections come back with them."""

from __future__ import annotations

import pytest

from tests.lab.checks import ping, pings, until
from tests.lab.hosts import Lab, LabHost

TwoHosts = tuple[LabHost, LabHost]


@pytest.fixture
def joined(two_hosts: TwoHosts) -> TwoHosts:
    """Two hosts in one mesh; `foo` (foo.weave.local) on the first, `bar` on the second."""
    one, two = two_hosts
    one.run("weave launch")
    two.run("weave launch $HOST1")
    one.run(
        "docker run --net=weave -h foo.weave.local $(weave dns-args) -d --init --restart=always"
        " --name foo busybox sleep 1d"
    )
    two.run("docker run --net=weave $(weave dns-args) -d --init --name bar busybox sleep 1d")
    pings(two, "bar", "foo")
    return one, two


def address(host: LabHost, container: str) -> str:
    form = "{{.NetworkSettings.Networks.weave.IPAddress}}"
    return host.run(f"docker inspect -f '{form}' {container}")


def is_joined(host: LabHost) -> bool:
    return " established vxlan " in host.sh("weave status connections").stdout


def process_of(host: LabHost, container: str) -> str:
    return host.run(f"docker inspect -f '{{{{.State.Pid}}}}' {container}")


def test_containers_reach_each_other_while_routers_are_down(joined: TwoHosts) -> None:
    one, two = joined
    one.run("weave stop-router")
    two.run("weave stop-router")
    assert ping(two, "bar", address(one, "foo"))


def test_router_that_was_stopped_and_launched_again_knows_everything(joined: TwoHosts) -> None:
    one, two = joined
    before = address(one, "foo")
    one.run("weave stop-router")
    one.run("weave launch-router")
    until(lambda: is_joined(one) and is_joined(two), 20, "the hosts are connected again")
    until(lambda: two.run("weave dns-lookup foo") == before, 20, "the name is known again")
    assert address(one, "foo") == before
    one.run("docker run --net=weave -d --init --name new busybox sleep 1d")
    assert address(one, "new") not in (before, address(two, "bar"))
    pings(two, "bar", "foo")


def test_router_that_was_killed_comes_back_by_itself(joined: TwoHosts) -> None:
    one, two = joined
    before, process = address(one, "foo"), process_of(one, "weave")
    one.run(f"kill -KILL {process}")
    assert ping(two, "bar", before)
    until(lambda: process_of(one, "weave") not in ("0", process), 20, "Docker started the router again")
    until(lambda: is_joined(one) and is_joined(two), 30, "the hosts are connected again")
    until(lambda: two.run("weave dns-lookup foo") == before, 20, "the name is known again")
    one.run("docker run --net=weave -d --init --name new busybox sleep 1d")
    assert address(one, "new") not in (before, address(two, "bar"))


def test_plugin_that_was_killed_comes_back_by_itself(joined: TwoHosts) -> None:
    one, two = joined
    before, process = address(one, "foo"), process_of(one, "weaveplugin")
    one.run(f"kill -KILL {process}")
    until(lambda: process_of(one, "weaveplugin") not in ("0", process), 20, "Docker started the plugin again")
    assert ping(two, "bar", before)
    one.run("docker run --net=weave -d --init --name new busybox sleep 1d")
    assert address(one, "new") not in (before, address(two, "bar"))
    pings(one, "new", address(two, "bar"))


def test_host_that_lost_power_comes_back_with_its_containers(joined: TwoHosts) -> None:
    one, two = joined
    name = one.run("weave report -f '{{.Router.Name}}'")
    one.power_off()
    one.boot()
    until(lambda: one.sh("weave status").status == 0, 60, "the router answers after the boot")
    assert one.run("weave report -f '{{.Router.Name}}'") == name
    until(lambda: is_joined(one) and is_joined(two), 60, "the hosts are connected again")
    until(lambda: address(one, "foo"), 60, "the container is on the network again")
    found = address(one, "foo")
    assert found != address(two, "bar")
    until(lambda: two.run("weave dns-lookup foo") == found, 30, "the name has the container's address")
    pings(two, "bar", "foo")


def test_launched_peers_are_dialled_again_after_a_restart(lab: Lab) -> None:
    one, two, three = lab.hosts(3)
    one.run("weave launch")
    two.run("weave launch")
    three.run("weave launch $HOST1")
    three.run("weave connect $HOST2")
    three.run("weave forget $HOST1")
    three.run(f"kill -KILL {process_of(three, 'weave')}")
    until(
        lambda: three.sh("weave status targets").stdout == f"{two.ip}\n",
        20,
        "only the second host is a target",
    )
