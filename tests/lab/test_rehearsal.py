"""`--dry-run` changes nothing, and lists just what the real command then takes away. And `launch --wait`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tests.lab.checks import until
from tests.lab.hosts import LabHost

Two = tuple[LabHost, LabHost]


def test_launch_waits_for_its_peers_or_says_who_is_missing(two_hosts: Two) -> None:
    one, two = two_hosts
    vain = two.sh("weave launch --wait=2s $HOST1", timeout=120)
    assert vain.status == 4
    assert re.search(rf"still waits for:\n  {one.ip}: dial tcp {one.ip}:6783: .*refused", vain.stderr)
    assert "\n  the address range: " in vain.stderr
    assert one.run("weave launch --wait", timeout=120) == ""
    until(lambda: " established " in two.run("weave status connections"), 60, "it went on trying")
    two.run("weave stop && weave launch --wait=1m $HOST1", timeout=120)
    assert " established " in two.run("weave status connections")
    assert two.run("weave status ipam") != ""

    drawn = one.run("weave status topology")
    assert "2 hosts as host1 sees them: 1 of 1 links are there." in drawn
    assert re.search(rf"└─ host2  vxlan +[0-9.]+ ms  {two.ip}:", drawn)
    assert "|" not in one.run("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 weave status topology").replace(
        "`-", ""
    )
    (link,) = json.loads(one.run("weave status topology -o json"))["data"]["links"]
    assert link["roundTripMs"] > 0
    one.run("weave status topology --svg /tmp/mesh.svg && grep -q '<svg' /tmp/mesh.svg && rm /tmp/mesh.svg")


@dataclass(frozen=True)
class _State:
    """What there is on a host, by kind."""

    container: frozenset[str]
    network: frozenset[str]
    volume: frozenset[str]
    device: frozenset[str]
    chain: frozenset[str]
    socket: frozenset[str]
    rule: frozenset[str]
    name: frozenset[str]
    target: frozenset[str]
    address: frozenset[str]


def _lines(host: LabHost, command: str) -> frozenset[str]:
    return frozenset(host.sh(command).stdout.splitlines())


def _look(host: LabHost) -> _State:
    rules = {f"filter {line}" for line in _lines(host, "iptables -S")}
    rules |= {f"nat {line}" for line in _lines(host, "iptables -t nat -S")}
    return _State(
        container=_lines(host, "docker ps -a --format '{{.Names}}'"),
        network=_lines(host, "docker network ls --format '{{.Name}}'"),
        volume=_lines(host, "docker volume ls -q"),
        # Without those that Docker makes and removes by itself, for the way out of containers.
        device=_lines(host, "ls /sys/class/net | grep -vE '^veth[0-9a-f]{7}$'"),
        chain=frozenset(rule.replace(" -N ", "/") for rule in rules if " -N WEAVE" in rule),
        socket=_lines(host, "ls -d /run/docker/plugins/*"),
        rule=frozenset(rule for rule in rules if " -A WEAVE" in rule),
        name=_lines(host, "weave status dns"),
        target=_lines(host, "weave status targets"),
        address=_lines(host, "weave ps weave:expose; weave ps box"),
    )


def _gone(before: _State, after: _State, *kinds: str) -> set[str]:
    return {f"{kind} {name}" for kind in kinds for name in getattr(before, kind) - getattr(after, kind)}


def _listed(host: LabHost, command: str, *kinds: str) -> set[str]:
    """What the dry run says would be removed of these kinds; nothing may have changed behind it."""
    before = _look(host)
    said = host.sh(f"weave {command} --dry-run")
    assert said.status == 0 and "Nothing was done: this was a dry run." in said.stderr
    assert _look(host) == before
    removals = [line.split(" ", 2) for line in said.stdout.splitlines()]
    return {f"{kind} {name}" for act, kind, name in removals if act == "remove" and kind in kinds}


def test_dry_run_lists_what_is_then_gone(two_hosts: Two) -> None:
    one, two = two_hosts
    one.run("weave launch", timeout=120)
    two.run("weave launch --wait $HOST1", timeout=120)
    two.run("docker run -tdi --net weave --name web -h web.weave.local busybox")
    two.run(
        "docker run -tdi --name box -h box.weave.local busybox && weave attach 10.9.1.1/24 net:default box"
    )
    two.run("weave expose 10.9.1.254/24 -h gate.weave.local")

    # Peers, names and addresses
    refused = one.sh("weave rmpeer host2 --dry-run")
    assert refused.status == 1 and "host2 is in the mesh" in refused.stderr
    assert two.run("weave forget $HOST1 nobody --dry-run") == f"forget target {one.ip}"
    said = two.run("weave detach 10.9.1.1/24 10.7.7.7/24 box --dry-run")
    assert said.splitlines() == [
        "remove address 10.9.1.1/24 from container box",
        "remove name box.weave.local. of 10.9.1.1",
        "release address 10.9.1.1",
    ]
    assert two.run("weave detach 10.9.1.1/24 10.7.7.7/24 box") == "10.9.1.1 10.7.7.7"
    assert two.run("weave detach 10.9.1.1/24 box --dry-run") == ""
    assert "remove interface ethwe of container box" in two.run("weave detach box --dry-run")

    listed = _listed(two, "hide 10.9.1.254/24", "rule", "address", "name")
    before = _look(two)
    two.run("weave hide 10.9.1.254/24")
    after = _look(two)
    assert "address 10.9.1.254/24 from weave" in listed and "name gate.weave.local. of 10.9.1.254" in listed
    rules = {
        re.sub(r"^rule (.*) from chain (\S+)$", r"\2 \1", line) for line in listed if line.startswith("rule ")
    }
    assert rules == {rule.partition(" -A ")[2] for rule in before.rule - after.rule} != set()

    # What stands on the host
    kinds = ("container", "network", "volume", "device", "chain", "socket")
    for command in ("stop-router", "stop-plugin"):
        listed = _listed(two, command, *kinds)
        before = _look(two)
        two.run(f"weave {command}", timeout=120)
        assert listed == _gone(before, _look(two), *kinds) != set()
    two.run("weave launch --wait $HOST1", timeout=120)
    refused = two.sh("weave reset --dry-run")
    assert refused.status == 1 and "  network weave: web\n" in refused.stderr
    assert "cut off container web from network weave" in two.run("weave reset --dry-run --force")
    two.run("docker rm -f web")
    said = two.run("weave reset --dry-run")
    assert re.search(r"^hand over \d+ addresses to another host$", said, re.M)
    listed = _listed(two, "reset", *kinds)
    before = _look(two)
    two.run("weave reset", timeout=120)
    assert listed == _gone(before, _look(two), *kinds)
    assert {"container weave", "network weave", "volume weavedb", "device weave", "chain nat/WEAVE"} <= listed
