"""Addresses are unique on all hosts, given back, shared out, and had on request."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import pytest

from tests.lab.asking import address, at_once, launch_joined, report, start
from tests.lab.checks import pings, until
from tests.lab.hosts import LabHost

Two = tuple[LabHost, LabHost]

# Containers that each host starts at the same time; 100 take as long as Docker takes to start them.
_BURST: Final = int(os.environ.get("WEAVE_LAB_BURST", "20"))
_PER_CONTAINER: Final = 6.0


@pytest.mark.timeout(300 + 3 * _PER_CONTAINER * _BURST)
def test_containers_started_at_once_on_three_hosts_get_addresses_of_their_own_and_give_them_back(
    three_hosts: tuple[LabHost, LabHost, LabHost],
) -> None:
    launch_joined(three_hosts)
    limit = 60 + _PER_CONTAINER * _BURST
    start_many = (
        f"for i in $(seq {_BURST})"
        "; do docker run -d --net=weave --name many$i busybox sleep 1d & done >/dev/null; wait"
    )
    at_once(*(lambda host=host: host.run(start_many, timeout=limit) for host in three_hosts))
    given = [_given(host) for host in three_hosts]
    assert [len(addresses) for addresses in given] == [_BURST] * 3
    assert len({one for addresses in given for one in addresses}) == 3 * _BURST
    assert [_active(host) for host in three_hosts] == [_BURST] * 3
    end_many = "docker rm -f $(docker ps -q --filter name=many) >/dev/null"
    at_once(*(lambda host=host: host.run(end_many, timeout=limit) for host in three_hosts))
    until(lambda: [_active(host) for host in three_hosts] == [0, 0, 0], 10, "all addresses are given back")


def test_a_host_that_needs_addresses_gets_half_of_what_the_other_has(two_hosts: Two) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    start(one, "first")
    assert _shares(one) == {"host1": "100.0%"}
    start(two, "second")
    halved = {"host1": "75.0%", "host2": "25.0%"}  # of the largest block that is free as a whole
    until(lambda: _shares(one) == _shares(two) == halved, 5, "both hosts know")
    pings(two, "second", address(one, "first"))


def test_an_address_asked_for_is_given_once_in_the_whole_network(two_hosts: Two) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    assert start(one, "first", "--net=weave --ip 10.32.0.77") == "10.32.0.77"
    same = "docker run --rm --net=weave --ip 10.32.0.77 busybox true"
    elsewhere = two.sh(same)
    assert elsewhere.status == 125
    assert "address 10.32.0.77/12 is owned by other peer" in elsewhere.stderr
    assert "(host1)" in elsewhere.stderr
    again = one.sh(same)
    assert again.status == 125
    assert "address 10.32.0.77 is in use by another container of this host" in again.stderr
    assert _active(one) == 1
    one.run("docker restart -t0 first")
    assert address(one, "first") == "10.32.0.77"
    one.run("docker rm -f first")
    one.run(same)


def test_a_network_of_the_users_own_takes_its_part_of_the_range_on_every_host(two_hosts: Two) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    create = "docker network create -d weavemesh --ipam-driver weavemesh --subnet 10.40.0.0/16 mine"
    for host in two_hosts:
        host.run(create)
    first, second = start(one, "first", "--net=mine"), start(two, "second", "--net=mine")
    assert first != second
    assert first.startswith("10.40.") and second.startswith("10.40.")
    pings(one, "first", second)
    assert start(one, "third", "--net=mine --ip 10.40.7.7") == "10.40.7.7"
    other = start(one, "other")
    assert other.startswith("10.32.")


def test_a_network_outside_of_the_range_has_fixed_addresses_only(two_hosts: Two) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    create = "docker network create -d weavemesh --ipam-driver weavemesh --subnet 10.99.0.0/16 fixed"
    for host in two_hosts:
        host.run(create)
    refused = one.sh("docker run --rm --net=fixed busybox true")
    assert refused.status == 125
    assert "range 10.99.0.0/16 out of bounds: 10.32.0.0/12" in refused.stderr
    assert start(one, "first", "--net=fixed --ip 10.99.3.3") == "10.99.3.3"
    assert start(two, "second", "--net=fixed --ip 10.99.3.4") == "10.99.3.4"
    pings(two, "second", "10.99.3.3")


def _given(host: LabHost) -> Sequence[str]:
    """What Docker gave to the containers of network `weave`."""
    listed = "docker network inspect -f '{{range .Containers}}{{.IPv4Address}} {{end}}' weave"
    return host.run(listed).split()


def _active(host: LabHost) -> int:
    told = report(host)
    assert "IPAM" in told
    return told["IPAM"]["ActiveIPs"]


def _shares(host: LabHost) -> dict[str, str]:
    """Each host's part of the range, as `weave status ipam` shows it."""
    found = {}
    for line in host.run("weave status ipam").splitlines():
        who, _, _, share, *_ = line.split()
        found[who.split("(")[1].rstrip(")")] = share.lstrip("(")
    return found
