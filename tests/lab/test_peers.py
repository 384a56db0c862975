"""Which hosts a host connects to: told at launch and later, wrong, silent, late or odd ones."""

from __future__ import annotations

from tests.lab.asking import connections, established, meets, start
from tests.lab.checks import until
from tests.lab.hosts import LabHost

Two = tuple[LabHost, LabHost]
Three = tuple[LabHost, LabHost, LabHost]


def test_targets_are_those_that_were_last_named(three_hosts: Three) -> None:
    one, two, three = three_hosts
    for host in three_hosts:
        host.run("weave launch-router --no-discovery", timeout=120)
    one.run("weave connect $HOST2")
    meets(one, 1)
    assert _targets(one) == [two.ip]
    one.run("weave connect $HOST3:6783")
    meets(one, 2)
    assert sorted(_targets(one)) == sorted([two.ip, f"{three.ip}:6783"])
    one.run("weave connect --replace $HOST2")
    assert _targets(one) == [two.ip]
    one.run("weave forget $HOST2")
    assert _targets(one) == []
    meets(one, 2)  # to forget is not to cut
    two.run("weave stop-router")
    until(lambda: [line for line in _lines(one) if two.ip in line] == [], 10, "the forgotten peer is gone")
    refused = one.sh("weave connect nowhere.invalid")
    assert refused.status == 1
    assert "lookup nowhere.invalid" in refused.stderr


def test_a_peer_whose_name_is_unknown_stops_the_launch(host: LabHost) -> None:
    refused = host.sh("weave launch nowhere.invalid", timeout=120)
    assert refused.status == 1
    assert "lookup nowhere.invalid" in refused.stderr
    assert refused.stdout == ""
    assert host.run("docker ps -aq") == ""
    assert host.run("docker network ls -q --filter type=custom") == ""
    host.run("weave launch")
    assert host.run("weave status targets") == ""


def test_a_peer_that_is_silent_is_shown_with_the_reason_and_met_when_it_appears(two_hosts: Two) -> None:
    one, two = two_hosts
    one.run("weave launch $HOST2 $HOST9", timeout=120)
    until(lambda: len(_lines(one)) == 2, 5, "both targets are shown")

    def reasons() -> dict[str, str]:
        return {found["Address"]: found["Info"] for found in connections(one) if found["State"] == "failed"}

    until(
        lambda: "connection refused" in reasons().get(f"{two.ip}:6783", ""),
        10,
        "the refused connection is shown",
    )
    assert ", retry: " in reasons()[f"{two.ip}:6783"]
    until(lambda: any("no route to host" in text for text in reasons().values()), 10, "nobody at the other")
    two.run("weave launch", timeout=120)
    until(lambda: established(one) == 1 and established(two) == 1, 12, "the late peer is met")


def test_a_peer_with_another_range_is_refused_and_both_say_why(two_hosts: Two) -> None:
    one, two = two_hosts
    one.run("weave launch", timeout=120)
    start(one, "first")
    two.run("weave launch --ipalloc-range 10.50.0.0/16", timeout=120)
    start(two, "second")
    two.run("weave connect $HOST1")
    reason = "Incompatible IP allocation ranges (received: 10.32.0.0/12, ours: 10.50.0.0/16)"
    until(lambda: reason in two.run("weave status connections"), 10, "the reason is shown")
    assert established(one) == 0
    assert "incompatible ip allocation ranges" in one.run("docker logs weave 2>&1").lower()


def test_peers_wait_for_a_majority_before_the_first_address(two_hosts: Two) -> None:
    one, two = two_hosts
    one.run("weave launch --init-peer-count 3", timeout=120)
    waiting = one.sh("docker run --rm --net=weave busybox true")
    assert waiting.status == 125
    assert "awaiting consensus (quorum: 2, known: 1)" in waiting.stderr
    launched = f"weave launch --init-peer-count 3 {one.ip}"
    two.run(launched, timeout=120)
    assert start(two, "second")
    assert start(one, "first")


def _targets(host: LabHost) -> list[str]:
    return host.run("weave status targets").split()


def _lines(host: LabHost) -> list[str]:
    return host.run("weave status connections").splitlines()
