"""`weave run`, `start`, `restart`, `dns-add`, `dns-remove`, `prime`: as the script did."""

from __future__ import annotations

from tests.lab.asking import launch_joined, names, report
from tests.lab.checks import is_refused, pings, resolves, until
from tests.lab.hosts import LabHost

Two = tuple[LabHost, LabHost]


def shown(host: LabHost, container: str) -> list[str]:
    """The addresses in the container's line of `weave ps`."""
    return host.run(f"weave ps {container}").split()[2:]


def known(host: LabHost, name: str) -> list[str]:
    """The addresses that weaveDNS has for a name, sorted."""
    return sorted(host.run(f"weave dns-lookup {name}").split())


def becomes_known(host: LabHost, name: str, addresses: list[str]) -> None:
    until(lambda: known(host, name) == addresses, 10, f"{name} is {addresses} on {host.name}")


def test_containers_are_run_started_and_restarted_with_addresses_and_names(two_hosts: Two) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    ident = one.run("weave run 10.2.1.1/24 net:default --name web --add-host box:10.9.9.9 -ti busybox")
    assert len(ident) == 64 and ident == one.run("docker inspect -f '{{.Id}}' web")
    first, default = (cidr.split("/")[0] for cidr in shown(one, "web"))
    assert first == "10.2.1.1"
    two.run("weave run 10.2.1.2/24 net:default --name bar -h bar.weave.local -ti busybox")
    for container, host, target in (("web", one, "bar"), ("bar", two, "web"), ("bar", two, "10.2.1.1")):
        pings(host, container, target)
    assert known(two, "web") == sorted((first, default))
    hosts = one.run("docker exec web cat /etc/hosts").splitlines()
    assert {
        "10.2.1.1    web.weave.local web",
        f"{default}    web.weave.local web",
        "10.9.9.9     box",
    } <= set(hosts)
    assert "224.0.0.0/4 dev ethwe" in one.run("docker exec web ip route")
    assert one.run("docker exec web hostname") == "web.weave.local"

    assert one.run("weave restart web") == "web"
    assert shown(one, "web") == [f"{first}/24", f"{default}/12"]
    until(lambda: known(two, "web") == sorted((first, default)), 10, "the names are back")
    pings(two, "bar", "web")
    records = [entry for entry in names(one) if entry["Hostname"] == "web.weave.local."]
    assert len(records) == 2, "no entry was added"

    two.run("docker stop -t 0 bar")
    until(lambda: known(one, "bar") == [], 10, "the dead have no name")
    assert two.run("weave start 10.2.1.3/24 bar") == "bar"
    until(lambda: known(one, "bar") == ["10.2.1.3"], 5, "the name is back")
    pings(two, "bar", "10.2.1.1")

    one.run("weave run --without-dns --no-multicast-route --no-rewrite-hosts --name other -ti busybox")
    assert "224.0.0.0/4" not in one.run("docker exec other ip route")
    assert "weave.local" not in one.run("docker exec other cat /etc/resolv.conf")
    assert "created by Weave" not in one.run("docker exec other cat /etc/hosts")


def test_what_cannot_be_run_is_told_and_killed(host: LabHost) -> None:
    host.run("weave launch-router", timeout=120)
    for words, status, says in (
        ("run", 1, "which image?"),
        ("run 10.2.1.1/24", 1, "which image?"),
        ("run --name web no-such-image:0", 125, "no-such-image"),
        ("run --no-such-flag busybox", 125, "no-such-flag"),
        ("run net:10.99.0.0/24 --name web -ti busybox", 1, "out of bounds"),
        ("start", 1, "which container?"),
        ("start nobody", 1, "Error: No such container: nobody"),
        ("restart", 1, "CONTAINER"),
        ("restart nobody", 1, "Error: No such container: nobody"),
    ):
        is_refused(host.sh(f"weave {words}"), says, status)
    assert host.run("docker inspect -f '{{.State.Running}}' web") == "false", "killed"
    refused = host.sh("weave start net:10.99.0.0/24 web")
    assert refused.status == 1 and "out of bounds" in refused.stderr, refused
    assert host.run("docker inspect -f '{{.State.Running}}' web") == "false", "killed again"
    assert report(host)["IPAM"]["ActiveIPs"] == 0


def test_names_are_added_and_removed_by_hand(two_hosts: Two) -> None:
    one, two = two_hosts
    refused = one.sh("weave dns-add 10.2.1.27 -h box.weave.local")
    assert refused.status == 1 and refused.stderr.startswith("weave container is not present."), refused
    launch_joined(two_hosts)
    assert two.sh("weave prime").stdout == ""
    one.run("weave run 10.2.1.1/24 10.2.2.1/24 -h own.weave.local --name web -ti busybox")
    one.run("docker create --name idle busybox")
    assert one.run("weave dns-add web -h second.weave.local") == ""
    assert one.run("weave dns-add 10.2.1.27 10.2.1.28 -h box.weave.local") == ""
    assert one.run("weave dns-add 10.2.1.29 web -h third.weave.local") == ""
    assert one.run("weave dns-add 10.2.1.30 web") == "", "its own name"
    for name, addresses in (
        ("second", ["10.2.1.1", "10.2.2.1"]),
        ("box", ["10.2.1.27", "10.2.1.28"]),
        ("third", ["10.2.1.29"]),
        ("own", ["10.2.1.1", "10.2.1.30", "10.2.2.1"]),
    ):
        becomes_known(two, name, addresses)
    two.run("docker run -tdi --name asks $(weave dns-args) busybox")
    assert resolves(two, "asks", "box") in ("10.2.1.27", "10.2.1.28")

    one.run("weave dns-remove 10.2.1.27 -h box.weave.local")
    one.run("weave dns-remove web -h second.weave.local")
    one.run("weave dns-remove 10.2.1.29 web")
    until(
        lambda: (known(two, "box"), known(two, "second"), known(two, "third")) == (["10.2.1.28"], [], []),
        5,
        "gone",
    )
    one.run("weave dns-remove web")
    until(lambda: known(two, "own") == ["10.2.1.30"], 5, "all names of its addresses are gone")

    for words, status, says in (
        ("dns-add", 1, "needs a container, or addresses and -h FQDN"),
        ("dns-add 10.2.1.1", 1, "needs a container"),
        ("dns-add -h box.weave.local", 1, "needs a container"),
        ("dns-add web idle", 1, "one container, please"),
        ("dns-add 300.1.1.1 web", 1, "invalid IP Address: 300.1.1.1"),
        ("dns-remove nobody", 1, "Error: No such container: nobody"),
        ("dns-add idle", 2, "idle container is not running."),
    ):
        refused = one.sh(f"weave {words}")
        assert (refused.status, refused.stdout) == (status, ""), refused
        assert says in refused.stderr, refused
    one.run("docker update --restart=no weave && docker stop -t 1 weave")
    refused = one.sh("weave dns-add web")
    assert (refused.status, refused.stderr.splitlines()[0]) == (2, "weave container is not running."), refused
