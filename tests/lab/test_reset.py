"""`weave reset`: nothing of ours is left, and Docker answers at once."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.hosts import Lab, LabHost

#: Docker waits 15 s for each call to a plugin that is gone; far less means that it waits for nobody.
AT_ONCE_S = 8.0

#: Each costs a second, in making it and in cutting it off.
_CONTAINERS = int(os.environ.get("WEAVE_LAB_ATTACHED", "5"))
_END_S = 30.0

_THINGS = "docker ps -aq; docker network ls -q; ls /sys/class/net; iptables -S; ls /run/docker/plugins"

LEFTOVERS = {
    "containers": "docker ps -aq --filter label=works.weave",
    "networks": "docker network ls -q --filter driver=weavemesh; docker network ls -q --filter driver=weave",
    "volumes": "docker volume ls -q",
    "devices": "ip -o link | grep -E ': (weave|vethw)'",
    "rules": "(iptables-nft-save; iptables-legacy-save) 2>/dev/null | grep -i weave",
    "sockets": "ls /run/docker/plugins | grep weave",
    "ports": "ss -Hlntu '( sport = :6783 or sport = :6784 )'",
}


def assert_nothing_left(host: LabHost) -> None:
    for what, command in LEFTOVERS.items():
        assert host.sh(command).stdout == "", f"{what} are left on {host.name}"
    began = time.monotonic()
    host.run("docker volume ls")
    host.run("docker network ls")
    host.run("docker run --rm busybox true")
    assert time.monotonic() - began < AT_ONCE_S


def start(host: LabHost, network: str = "weave") -> str:
    return host.run(f"docker run --net={network} -d --init busybox sleep 1d")


@pytest.fixture
def launched(lab: Lab) -> tuple[LabHost, LabHost]:
    one, two = lab.hosts(2)
    one.run("weave launch")
    two.run("weave launch $HOST1")
    return one, two


def test_nothing_is_left_of_a_used_network(launched: tuple[LabHost, LabHost], lab: Lab) -> None:
    one, two = launched
    one.run("docker network create -d weavemesh --ipam-driver weavemesh --subnet 10.33.0.0/16 other")
    containers = [start(one), start(one, "other")]
    one.run(f"weave attach 10.2.1.1/24 {start(one, 'bridge')}")
    one.run("weave expose && weave attach-bridge")
    lab.partition([one], [two])
    one.run(f"docker rm -f {' '.join(containers)}")
    lab.unblock()
    one.run("weave reset")
    assert_nothing_left(one)
    one.run("weave launch")
    start(one)


def test_attached_containers_are_named_and_cut_off(launched: tuple[LabHost, LabHost]) -> None:
    one, _ = launched
    one.run("docker run --net=weave -d --init --name attached busybox sleep 1d")
    one.run("docker run --net=weave -d --init --name ended busybox sleep 1d && docker stop ended")
    before = one.run(_THINGS)
    refused = one.sh("weave reset")
    assert refused.status == 1 and refused.stdout == ""
    assert "  network weave: attached, ended (stopped)\n" in refused.stderr and "--force" in refused.stderr
    assert one.run(_THINGS) == before

    # A stop and a launch, as for another version, leave both as they were.
    one.run("docker rm -f attached")
    assert "stay" in one.sh("weave stop").stderr
    one.run("weave launch && docker start ended", timeout=120)
    done = one.sh("weave reset --force")
    assert (done.status, done.stderr) == (0, "Cut off from network weave: ended.\n")
    assert_nothing_left(one)
    one.run("docker rm -f ended", timeout=10)


def test_range_goes_to_another_host(launched: tuple[LabHost, LabHost]) -> None:
    one, two = launched
    start(one)
    start(two)
    two.run("docker ps -q | xargs docker inspect -f '{{.Name}}' | grep -v weave | xargs docker rm -f")
    two.run("weave reset")
    shares = one.run("weave status ipam")
    assert "100.0% of total" in shares, shares


@pytest.mark.parametrize("trouble", ["router dead", "plugin dead", "Docker restarts"])
def test_reset_of_a_host_full_of_containers_ends(host: LabHost, trouble: str) -> None:
    host.run("weave launch", timeout=120)
    names = [f"c{number}" for number in range(_CONTAINERS)]
    host.run(
        f"for name in {' '.join(names)}; do"
        " docker run --net=weave -d --init --name $name busybox sleep 1d >/dev/null & done; wait",
        timeout=180,
    )
    dead = {"router dead": "weave", "plugin dead": "weaveplugin"}.get(trouble)
    if dead is not None:
        host.run(f"docker update --restart=no {dead} && docker kill {dead}")
        refused = host.sh("weave reset")
        assert refused.status == 1 and "--force" in refused.stderr
    began = time.monotonic()
    with ThreadPoolExecutor(1) as worker:
        restarted = worker.submit(host.restart_engine) if dead is None else None
        done = host.sh("weave reset --force", timeout=120)
        took = time.monotonic() - began
        if restarted is not None:
            restarted.result()
    assert done.status == 0 and took < _END_S, (took, done)
    assert all(name in done.stderr for name in names), done
    assert_nothing_left(host)


def test_reset_of_a_host_that_never_had_weave_does_nothing(host: LabHost) -> None:
    assert host.sh("weave reset").status == 0
    assert_nothing_left(host)
