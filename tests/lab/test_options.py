"""Options of launch do what they say, wrong ones start nothing, and names follow the containers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.lab.asking import established, names, report, start
from tests.lab.checks import resolves, until
from tests.lab.hosts import LabHost

Two = tuple[LabHost, LabHost]


def test_the_network_has_the_name_that_was_asked_for(host: LabHost) -> None:
    host.run("weave launch --mesh-network-name=foo", timeout=120)
    assert _networks(host) == ["foo"]
    assert start(host, "first", "--net=foo") == "10.32.0.1"
    assert "224.0.0.0/4 dev ethwe0" in host.run("docker exec first ip route")
    host.run("docker rm -f first && weave stop")
    assert _networks(host) == []
    host.run("weave launch --mesh-network-name= --no-multicast-route --no-dns", timeout=120)
    assert _networks(host) == []
    assert host.run("weave dns-args") == ""
    assert not [line for line in _listening(host) if line.endswith(":53")]
    assert "DNS" not in report(host)
    host.run("docker network create -d weavemesh --ipam-driver weavemesh -o works.weave.multicast=true mine")
    assert start(host, "second", "--net=mine")
    assert "224.0.0.0/4" not in host.run("docker exec second ip route")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--log-level=loud", "'loud' is not one of 'debug', 'info', 'warning', 'error'"),
        ("--log-level", "requires an argument"),
        ("--ipalloc-range=10.32.0.1/12", "--ipalloc-range"),
        ("--ipalloc-default-subnet=10.99.0.0/16", "10.99.0.0/16"),
        ("--port=70000", "--port"),
        ("--no-such-option", "--no-such-option"),
    ],
)
def test_a_wrong_option_starts_nothing(host: LabHost, words: str, says: str) -> None:
    refused = host.sh(f"weave launch {words}")
    assert refused.status == 1
    assert says in refused.stderr
    assert refused.stdout == ""
    assert host.run("docker ps -aq") == ""


def test_peers_of_the_last_time_come_back_and_containers_that_shall_not_do_not(two_hosts: Two) -> None:
    one, two = two_hosts
    two.run("weave launch-router", timeout=120)
    one.run("weave launch --no-restart && weave connect $HOST2", timeout=120)
    policy = "docker inspect -f '{{.HostConfig.RestartPolicy.Name}}'"
    assert one.run(f"{policy} weave weaveplugin").split() == ["no", "no"]
    one.run("weave stop && weave launch-router --resume", timeout=60)
    assert one.run(f"{policy} weave") == "always"
    assert one.run("weave status targets") == two.ip
    until(lambda: established(one) == 1, 20, "the hosts meet again")


def test_port_nickname_and_domain_are_those_that_were_given(two_hosts: Two) -> None:
    one, two = two_hosts
    one.run("weave launch --port 7000 --nickname=first --dns-domain=corp.example.", timeout=120)
    two.run("weave launch --port 7000 --nickname=second --dns-domain=corp.example $HOST1", timeout=120)
    until(lambda: established(one) == established(two) == 1, 20, "the hosts meet")
    assert "(second)" in one.run("weave status peers")
    assert two.run("weave status connections").split()[1] == f"{one.ip}:7000"
    assert "0.0.0.0:7000" in _listening(one) and "0.0.0.0:6783" not in _listening(one)
    dns = one.run("weave dns-args")
    assert dns == "--dns=172.17.0.1 --dns-search=corp.example."
    target = start(one, "web", "--net=weave -h web.corp.example $(weave dns-args)")
    start(two, "client", "--net=weave $(weave dns-args)")
    until(lambda: resolves(two, "client", "web") == target, 10, "the name is known on the other host")


def test_names_come_and_go_with_the_containers_and_their_connections(host: LabHost) -> None:
    host.run("weave launch", timeout=120)
    first = start(host, "first", "--net=weave -h web.weave.local --network-alias=www")
    _until_named(host, {("first", first), ("web", first)})
    host.run("docker stop -t0 first")
    _until_named(host, set())
    host.run("docker start first")
    first = host.run("docker inspect -f '{{.NetworkSettings.Networks.weave.IPAddress}}' first")
    _until_named(host, {("first", first), ("web", first)})
    start(host, "late", "-h shop.weave.local")
    assert {name for name, _ in _named(host)} == {"first", "web"}
    host.run("docker network connect weave late")
    late = host.run("docker inspect -f '{{.NetworkSettings.Networks.weave.IPAddress}}' late")
    _until_named(host, {("first", first), ("web", first), ("late", late), ("shop", late)})
    assert host.run("weave dns-lookup shop") == late
    host.run("docker network disconnect weave late")
    _until_named(host, {("first", first), ("web", first)})
    host.run("docker rm -f first")
    _until_named(host, set())
    assert host.run("weave dns-lookup web") == ""


def _named(host: LabHost) -> set[tuple[str, str]]:
    return {(one["Hostname"].removesuffix(".weave.local."), one["Address"]) for one in names(host)}


def _until_named(host: LabHost, wanted: set[tuple[str, str]]) -> None:
    def as_wanted() -> bool:
        found = _named(host)
        assert found == wanted, found
        return True

    until(as_wanted, 10, f"the names are {sorted(wanted)}")


def _networks(host: LabHost) -> Sequence[str]:
    """The names of those on our driver; Docker makes its own bridge, docker_gwbridge, beside them."""
    return host.run("docker network ls --filter driver=weavemesh --format '{{.Name}}'").split()


def _listening(host: LabHost) -> Sequence[str]:
    """Local addresses and ports, TCP and UDP."""
    return [line.split()[4] for line in host.run("ss -lntuH").splitlines()]
