"""The example of README.md, on the oldest and the newest engine, and what the hosts say then."""

from __future__ import annotations

import pytest

from tests.lab.asking import at_once, established, report, start
from tests.lab.checks import until
from tests.lab.engines import VERSIONS
from tests.lab.hosts import LabHost
from tests.lab.shell import CommandFailed

Two = tuple[LabHost, LabHost]

oldest_and_newest = pytest.mark.parametrize("engine", (VERSIONS[0], VERSIONS[-1]), indirect=True)


@oldest_and_newest
def test_containers_of_two_hosts_meet_by_name_and_both_hosts_tell_so(two_hosts: Two) -> None:
    one, two = two_hosts
    one.run("weave launch", timeout=120)
    one.run("docker run --net=weave -h foo.weave.local $(weave dns-args) -tdi --name first busybox")
    two.run("weave launch $HOST1", timeout=120)
    _until_answered(two, "docker run --net=weave $(weave dns-args) --rm busybox ping -c1 -W2 -q foo")
    bar = start(two, "second", "--net=weave -h bar.weave.local $(weave dns-args)")
    _until_answered(one, "docker run --net=weave $(weave dns-args) --rm busybox ping -c1 -W2 -q bar")
    _until_answered(one, f"docker exec first ping -c1 -W2 -q {bar}")
    for host, other in ((one, two), (two, one)):
        _shows_one_connection(host, other, outbound=host is two)
        _shows_both_peers(host, other)
        _shows_both_names(host)
        _shows_shares_of_the_range(host, other)
        _overview_agrees_with_report(host)


def test_three_hosts_that_know_only_the_first_are_all_connected(
    three_hosts: tuple[LabHost, LabHost, LabHost],
) -> None:
    first, *others = three_hosts
    first.run("weave launch", timeout=120)
    at_once(*(lambda host=host: host.run("weave launch $HOST1", timeout=120) for host in others))
    until(
        lambda: [established(host) for host in three_hosts] == [2, 2, 2], 5, "every host has two connections"
    )
    for host in three_hosts:
        lines = host.run("weave status connections").splitlines()
        assert {line.split()[4].split("(")[1] for line in lines} == {
            f"{other.name})" for other in three_hosts if other is not host
        }


def _until_answered(host: LabHost, command: str) -> None:
    """A name or a MAC address may be on its way between hosts that have just met."""

    def answered() -> bool:
        try:
            return ", 0% packet loss" in host.run(command)
        except CommandFailed as problem:
            raise AssertionError(problem) from problem

    until(answered, 10, command)


def _shows_one_connection(host: LabHost, other: LabHost, *, outbound: bool) -> None:
    arrow, address, state, overlay, peer, *attributes = host.run("weave status connections").split()
    assert (arrow, state, overlay) == ("->" if outbound else "<-", "established", "vxlan")
    assert address.startswith(f"{other.ip}:")
    assert peer.endswith(f"({other.name})")
    assert attributes == ["mtu=1450"]


def _shows_both_peers(host: LabHost, other: LabHost) -> None:
    lines = host.run("weave status peers").splitlines()
    peers = [line for line in lines if not line.startswith(" ")]
    assert sorted(line.split("(")[1] for line in peers) == sorted((f"{host.name})", f"{other.name})"))
    links = [line for line in lines if line.startswith(" ")]
    assert [line.split()[-1] for line in links] == ["established", "established"]


def _shows_both_names(host: LabHost) -> None:
    until(
        lambda: {"foo", "bar"} <= {line.split()[0] for line in host.run("weave status dns").splitlines()},
        5,
        f"{host.name} knows both names",
    )
    assert host.run("weave dns-lookup foo") == host.run("weave dns-lookup foo.weave.local")


def _shows_shares_of_the_range(host: LabHost, other: LabHost) -> None:
    own, others = host.run("weave status ipam").splitlines()
    assert f"({host.name})" in own and own.endswith("(1 active)")
    assert f"({other.name})" in others and "active" not in others
    assert int(own.split()[1]) + int(others.split()[1]) == 2**20


def _overview_agrees_with_report(host: LabHost) -> None:
    told = report(host)
    assert {peer["NickName"] for peer in told["Router"]["Peers"]} == {"host1", "host2"}
    assert "IPAM" in told and "DNS" in told
    overview = dict(
        line.strip().split(": ", 1) for line in host.run("weave status").splitlines() if ": " in line
    )
    assert overview["Name"] == f"{told['Router']['Name']}({host.name})"
    assert overview["Peers"] == "2 (with 2 established connections)"
    assert overview["Connections"] == "1 (1 established)"
    assert overview["Status"] == "ready"
    assert overview["Range"] == told["IPAM"]["Range"] == "10.32.0.0/12"
    assert overview["DefaultSubnet"] == told["IPAM"]["DefaultSubnet"]
    assert overview["Domain"] == told["DNS"]["Domain"] == "weave.local."
