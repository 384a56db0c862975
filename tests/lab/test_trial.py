"""doctor and connectivity test, as an operator uses them: all well, then something broken, then mended."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.lab.hosts import LabHost

pytestmark = pytest.mark.lab

_WELL = 0
_BROKEN = 11
_SOCKET = "/run/docker/plugins/weave.sock"


def findings(host: LabHost) -> dict[str, str]:
    """Code of what is broken -> what mends it."""
    answer = json.loads(host.sh("weave doctor -o json").stdout)
    found: list[dict[str, str]] = answer["data"]["findings"]
    return {one["code"]: one["mend"] for one in found if one["verdict"] == "failure"}


def trial(host: LabHost, *, status: int) -> list[dict[str, Any]]:
    done = host.sh("weave connectivity test --hosts -o json")
    assert done.status == status, done.stdout
    targets: list[dict[str, Any]] = json.loads(done.stdout)["data"]["targets"]
    return targets


def legs(targets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Hosts (empty: this one), each with the leg on which packets get lost."""
    return [(one["host"], one["loss"]["leg"]) for one in targets if one["loss"] is not None]


def _becomes_well(host: LabHost) -> None:
    """Or fail with what is wrong still, which is printed when the wait is over."""
    done = host.sh("weave doctor --wait 60s", timeout=120)
    assert done.status == _WELL, done


def test_what_is_broken_is_found_named_and_mended(two_hosts: tuple[LabHost, LabHost]) -> None:
    one, two = two_hosts
    assert one.sh("weave doctor").status == _WELL
    one.run("weave launch")
    two.run("weave launch $HOST1")
    two.run("weave prime")
    _becomes_well(one)

    targets = trial(one, status=_WELL)
    assert [target["host"] for target in targets] == ["", "host2"]
    assert all(len(target["probes"]) == 6 for target in targets)

    # A rule in front of ours, in a table that the router does not look after.
    drop = "iptables -t mangle {} FORWARD -i weave -o weave -j DROP"
    two.run(drop.format("-I"))
    assert legs(trial(one, status=_BROKEN)) == [("host2", "peer-bridge")]
    assert ("", "container-bridge") in legs(trial(two, status=_BROKEN))
    two.run(drop.format("-D"))

    # Docker's own DNS server asks weaveDNS for the name of a container on this host, too.
    drop = "iptables -t mangle {} INPUT -p udp --dport 53 -j DROP"
    one.run(drop.format("-I"))
    assert legs(trial(one, status=_BROKEN)) == [("", "dns"), ("host2", "dns")]
    one.run(drop.format("-D"))

    one.run("iptables -I INPUT -p udp --dport 6784 -j DROP")
    mends = findings(one)
    one.run(mends["firewall.ports"])
    assert findings(one) == {}

    one.run("docker kill weaveplugin")
    assert ("", "plugin") in legs(trial(one, status=_BROKEN))
    assert {"plugin.networks", "daemons.plugin"} <= findings(one).keys()
    # Ours leaves no socket that Docker would wait for; others do.
    one.run(f"rm {_SOCKET} && python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{_SOCKET}\")'")
    one.run(findings(one)["plugin.socket"])
    _becomes_well(one)
    trial(one, status=_WELL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_of_a_trial_stays(host: LabHost, number: signal.Signals) -> None:
    host.run("weave launch")
    host.run(
        "python3 -c '"
        "import signal, subprocess, sys; "
        'p = subprocess.Popen(["weave", "connectivity", "test"]); '
        'e = subprocess.Popen(["docker", "events", "--filter", "event=start"], stdout=subprocess.PIPE); '
        f"e.stdout.readline(); e.kill(); p.send_signal({int(number)}); p.wait()'"
    )
    if number is signal.SIGKILL:
        assert "weave-test-" in host.run("docker ps --format '{{.Names}}'")
        assert host.sh("weave connectivity test").status == _WELL
    assert "weave-test-" not in host.run("docker ps -a --format '{{.Names}}'")
