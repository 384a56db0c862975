"""`weave network` on engines that share nothing: the same network on all hosts, isolated from all others."""

from __future__ import annotations

import json

import pytest

from tests.lab.asking import launch_joined, meets, networks, start
from tests.lab.checks import ping, pings, until
from tests.lab.hosts import Lab

pytestmark = pytest.mark.parametrize("engine", ["26.1", "28.5"], indirect=True)


def test_a_network_is_the_same_on_all_hosts_and_isolated(lab: Lab) -> None:
    one, two, late = lab.host(1), lab.host(2), lab.host(3)
    launch_joined((one, two))
    said = one.run("docker logs weaveplugin 2>&1")
    assert "driver weave serves networks of this host" in said
    one.run("weave network create --subnet 10.33.1.0/24 red")
    chosen = two.run("weave network create --opt works.weave.multicast=true blue")
    assert chosen.startswith("10.") and chosen.endswith("/24")
    until(lambda: networks(one) == networks(two) == {"red", "blue"}, 15, "both hosts have both networks")
    refused = two.sh("weave network create --subnet 10.33.1.128/25 green")
    assert refused.status == 1 and "overlaps with 10.33.1.0/24" in refused.stderr
    red1, blue1 = start(one, "red1", "--net=red"), start(one, "blue1", "--net=blue")
    red2, blue2 = start(two, "red2", "--net=red"), start(two, "blue2", "--net=blue")
    assert len({red1, red2, blue1, blue2}) == 4 and red2.startswith("10.33.1.")
    pings(two, "red2", red1)
    pings(one, "blue1", blue2)
    assert not ping(two, "red2", blue1, timeout=1) and not ping(two, "blue2", red1, timeout=1)
    assert "224.0.0.0/4" in two.run("docker exec blue2 ip route")

    # Who comes later gets them; who restarts has them still.
    late.run("weave launch $HOST1", timeout=120)
    meets(late, 2)
    until(lambda: networks(late) == {"red", "blue"}, 15, "the host that joined later has them, too")
    red3 = start(late, "red3", "--net=red")
    pings(one, "red1", red3)
    one.run("weave stop && weave launch $HOST2", timeout=120)
    meets(one, 2)
    pings(one, "red1", red3)

    # Removal is for the whole mesh, and only when nobody is on it.
    late.run("docker rm -f red3")
    refused = late.sh("weave network rm red")
    assert refused.status == 1 and "network red has containers on host1, host2" in refused.stderr
    rows = json.loads(late.run("weave network ls --output=json"))["data"]["networks"]
    assert {row["name"]: row["hosts"] for row in rows} == {
        "red": ["host1", "host2"],
        "blue": ["host1", "host2"],
    }
    one.run("docker rm -f red1")
    two.run("docker rm -f red2")
    late.run("weave network rm red")
    until(lambda: networks(one) == networks(two) == networks(late) == {"blue"}, 15, "red is gone everywhere")
    assert late.sh("weave network rm red").status == 1
