"""Several weave commands at once on one host: one after the other or refused, and never half of one."""

from __future__ import annotations

import os
from typing import Final

from tests.lab.asking import at_once, report
from tests.lab.checks import until
from tests.lab.hosts import LabHost
from tests.lab.shell import Result

_CONTAINERS: Final = 5
#: A real crowd takes as long as Docker and Python take to start things.
_COMMANDS: Final = int(os.environ.get("WEAVE_LAB_CROWD", "20"))


def shown(host: LabHost, container: str) -> list[str]:
    """The addresses in the container's line of `weave ps`."""
    return host.run(f"weave ps {container}").split()[2:]


def half_pairs(host: LabHost) -> str:
    """Ends of pairs that are not in the bridge, or whose other end is nowhere."""
    return host.run("ip -o link | grep vethwep | grep -v 'master weave' || true")


def test_a_crowd_of_attach_at_once_give_each_container_one_address(host: LabHost) -> None:
    host.run("weave launch-router", timeout=120)
    names = [f"c{number}" for number in range(_CONTAINERS)]
    host.run(f"for name in {' '.join(names)}; do docker run -d --name $name --init busybox sleep 1d; done")
    host.run(
        f"for i in $(seq 0 {_COMMANDS - 1}); do"
        f" weave attach c$((i % {_CONTAINERS})) >/tmp/said.$i 2>/tmp/erred.$i"
        " || echo $i >>/tmp/failed & done; wait",
        timeout=240,
    )
    assert host.sh("cat /tmp/failed $(cat /tmp/failed)").stdout == ""
    said = [host.run(f"cat /tmp/said.{number}") for number in range(_COMMANDS)]
    given = {
        name: {said[place] for place in range(index, _COMMANDS, _CONTAINERS)}
        for index, name in enumerate(names)
    }
    assert all(len(addresses) == 1 for addresses in given.values()), given
    assert len(set.union(*given.values())) == _CONTAINERS, "each its own"
    for name in names:
        assert shown(host, name) == [f"{address}/12" for address in given[name]]
    assert report(host)["IPAM"]["ActiveIPs"] == _CONTAINERS
    assert half_pairs(host) == ""
    erred = host.run("cat /tmp/erred.*")
    assert all(line.startswith("waiting for 'weave attach' (pid ") for line in erred.splitlines()), erred

    # The same with what takes them away: whichever is last, both have done their work or found it done.
    host.run(
        "for i in 1 2 3 4; do weave expose 10.2.1.9/24 & weave hide 10.2.1.9/24 &"
        " weave attach 10.2.1.1/24 c1 & weave detach 10.2.1.1/24 c1 & done; wait",
        timeout=120,
    )
    bridge, container = shown(host, "weave:expose"), shown(host, "c1")
    assert bridge in ([], ["10.2.1.9/24"]) and container[1:] in ([], ["10.2.1.1/24"])
    rules = host.run("iptables -w -t nat -S WEAVE")
    assert rules.count("MASQUERADE") == 2 * len(bridge)
    owned = report(host)["IPAM"]["ActiveIPs"]
    assert owned == _CONTAINERS and half_pairs(host) == ""
    assert host.run("weave expose 10.2.1.9/24") == "10.2.1.9"


def test_launch_stop_and_reset_wait_for_each_other(host: LabHost) -> None:
    host.run("weave setup", timeout=120)
    results = at_once(*[lambda: host.sh("weave launch", timeout=120)] * 2)
    first, second = sorted(results, key=lambda result: result.status)
    assert (first.status, second.status) == (0, 1), results
    assert "weave is already running" in second.stderr
    assert _is_whole(host)

    results = at_once(*[lambda: host.sh("weave stop", timeout=120)] * 2)
    assert [result.status for result in results] == [0, 0], results
    assert host.run("docker ps -aq") == ""

    _launch_begins_first(host, "stop")
    assert host.run("docker ps -aq") == "" and host.run("docker network ls -q --filter type=custom") == ""

    host.run("docker run -d --name web --init busybox sleep 1d")
    launched = _launch_begins_first(host, "attach web")
    assert launched.stdout.strip() == shown(host, "web")[0].split("/")[0], launched

    # A reset in the middle of many attachments: each was whole before it, or is not there.
    host.run("for i in 1 2 3 4 5 6; do docker run -d --name b$i --init busybox sleep 1d; done")
    host.run(
        "for i in 1 2 3 4 5 6; do weave attach b$i & done >/tmp/said 2>/tmp/erred; sleep 0.4;"
        " weave reset --force; wait",
        timeout=120,
    )
    assert "defect" not in host.run("cat /tmp/erred")
    assert host.run("ip -o link | grep -E ': (weave|vethw)' || true") == "", host.run(
        "cat /tmp/said /tmp/erred"
    )
    for number in range(1, 7):
        assert "ethwe" not in host.run(f"docker exec b{number} ip link")
    host.run("weave launch", timeout=120)
    assert host.run("weave attach b1")


def _launch_begins_first(host: LabHost, command: str) -> Result:
    """Launch, and type the command while it is at it: it waits, says for whom, and is done then."""

    def late() -> Result:
        until(
            lambda: host.sh("docker ps -q --filter name=weave").stdout, 60, "the launch is at it", every=0.01
        )
        return host.sh(f"weave {command}", timeout=120)

    launched, result = at_once(lambda: host.sh("weave launch", timeout=120), late)
    assert (launched.status, result.status) == (0, 0), (launched, result)
    return result


def _is_whole(host: LabHost) -> bool:
    names = host.run("docker ps --format '{{.Names}}'").split()
    return sorted(names) == ["weave", "weaveplugin"]
