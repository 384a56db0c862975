"""`weave attach` and `detach`: addresses of all flavours, names, /etc/hosts, and what is undone."""

from __future__ import annotations

from tests.lab.asking import launch_joined, names, report
from tests.lab.checks import is_refused, pings, resolves, until
from tests.lab.hosts import LabHost

Two = tuple[LabHost, LabHost]

RANGE = "--ipalloc-range=10.2.0.0/16 --ipalloc-default-subnet=10.2.3.0/24"


def plain(host: LabHost, name: str, words: str = "") -> None:
    """A container that only Docker has given a network."""
    host.run(f"docker run -tdi --name {name} {words} busybox")


def shown(host: LabHost, container: str) -> list[str]:
    """The addresses in the container's line of `weave ps`."""
    return host.run(f"weave ps {container}").split()[2:]


def test_containers_of_two_hosts_meet_at_addresses_of_all_flavours(two_hosts: Two) -> None:
    one, two = two_hosts
    launch_joined(two_hosts, RANGE)
    plain(one, "aa", "-h aa.weave.local $(weave dns-args -h aa)")
    plain(two, "bb", "-h bb.weave.local $(weave dns-args -h bb)")
    *given, default = one.run(
        "weave attach 10.9.1.1/24 ip:10.9.2.1/24 net:10.2.8.0/24 net:default aa"
    ).split()
    assert given == ["10.9.1.1", "10.9.2.1", "10.2.8.1"]
    assert one.run("weave attach aa") == default, "the same again"
    assert default.startswith("10.2.3.")
    two.run("weave attach ip:10.9.1.2/24 10.9.2.2/24 bb")
    allocated = two.run("weave attach net:10.2.8.0/24 net:default bb").split()
    for target in ("10.9.1.1", "10.9.2.1", "10.2.8.1", default):
        pings(two, "bb", target)
    pings(one, "aa", allocated[0])
    assert shown(one, "aa") == ["10.9.1.1/24", "10.9.2.1/24", "10.2.8.1/24", f"{default}/24"]
    assert {entry["Address"] for entry in names(two) if entry["Hostname"] == "aa.weave.local."} == {
        "10.9.1.1",
        "10.9.2.1",
        "10.2.8.1",
        default,
    }
    assert resolves(two, "bb", "aa") in ("10.9.1.1", "10.9.2.1", "10.2.8.1", default)
    assert "224.0.0.0/4 dev ethwe" in one.run("docker exec aa ip route")
    exposed, *others = (line.split() for line in one.run("weave ps").splitlines())
    assert exposed[0] == "weave:expose" and len(exposed) == 2
    assert [line[0] for line in others] == [one.run("docker inspect -f '{{slice .Id 0 12}}' aa")]

    assert one.run("weave detach 10.9.1.1/24 10.7.7.7/24 net:10.2.8.0/24 aa") == "10.9.1.1 10.7.7.7 10.2.8.1"
    assert shown(one, "aa") == ["10.9.2.1/24", f"{default}/24"]
    assert one.run("weave detach aa") == default
    assert one.run("weave detach 10.9.2.1/24 aa") == "10.9.2.1"
    assert one.run("weave ps aa") == "" and one.run("weave detach aa") == ""
    assert "ethwe" not in one.run("docker exec aa ip link")
    until(lambda: not [e for e in names(two) if e["Hostname"].startswith("aa.")], 5, "the names are gone")
    plain(one, "cc")
    assert one.run("weave attach net:10.2.8.0/24 cc") == "10.2.8.1", "the lowest, given back, goes out again"


def test_fixed_addresses_work_before_a_launch_and_are_known_after_it(host: LabHost) -> None:
    plain(host, "aa", "-h aa.weave.local")
    plain(host, "bb")
    assert host.run("weave attach 10.32.0.1/12 aa") == "10.32.0.1"
    host.run("weave attach 10.32.0.2/12 bb")
    pings(host, "aa", "10.32.0.2")
    refused = host.sh("weave attach bb")
    assert refused.status == 1 and refused.stdout == "", refused
    assert refused.stderr.startswith("weave container is not present. Have you launched it?"), refused
    assert shown(host, "bb") == ["10.32.0.2/12"], "what failed leaves what was there"
    host.run("weave launch", timeout=120)
    assert report(host)["IPAM"]["ActiveIPs"] == 2
    assert host.run("weave dns-lookup aa") == "10.32.0.1"
    plain(host, "cc")
    assert host.run("weave attach cc") == "10.32.0.3"
    pings(host, "cc", "10.32.0.1")


def test_what_cannot_be_attached_is_told_and_leaves_no_trace(host: LabHost) -> None:
    host.run("weave launch-router", timeout=120)
    plain(host, "aa")
    plain(host, "hosted", "--net=host")
    host.run("docker create --name idle busybox")
    host.run("weave attach 10.32.7.7/12 aa")
    for command, status, says in (
        ("attach nobody", 1, "Error: No such container: nobody"),
        ("attach idle", 2, "idle container is not running."),
        ("attach hosted", 1, "Container is running in the host network namespace"),
        ("attach 999.0.0.1/99 aa", 1, "invalid CIDR address: 999.0.0.1/99"),
        ("attach net:10.99.0.0/24 aa", 1, "range 10.99.0.0/24 out of bounds: 10.32.0.0/12"),
        ("attach 10.32.7.7/12 net:10.99.0.0/24 aa", 1, "out of bounds"),
        ("detach nobody", 1, "Error: No such container: nobody"),
        ("detach idle", 2, "idle container is not running."),
    ):
        is_refused(host.sh(f"weave {command}"), says, status)
    plain(host, "thief")
    stolen = host.sh("weave attach 10.32.8.8/12 10.32.7.7/12 thief")
    assert stolen.status == 1 and "Unable to claim: address 10.32.7.7/12 is already owned by" in stolen.stderr
    assert "ethwe" not in host.run("docker exec thief ip link")
    assert shown(host, "aa") == ["10.32.7.7/12"]
    assert report(host)["IPAM"]["ActiveIPs"] == 1
    assert "vethwepl" not in host.run("ip -o link | grep -v 'master weave' || true")
    hosts_file_is_rewritten_and_docker_keeps_its_hands_off(host)


def test_twelve_attach_at_once_and_an_interrupt_or_a_reset_undoes(host: LabHost) -> None:
    host.run("weave launch-router", timeout=120)
    plain(host, "aa")
    host.run("for i in 1 2 3; do docker run -d --name c$i --init busybox sleep 1d; done")
    host.run(
        "for i in 1 2 3; do for j in 1 2 3 4; do"
        " weave attach 10.9.$j.$i/24 net:10.32.$j.0/24 c$i & done; done; wait",
        timeout=120,
    )
    for number in range(1, 4):
        assert len(shown(host, f"c{number}")) == 8
    assert report(host)["IPAM"]["ActiveIPs"] == 12, "those outside the range do not count"
    host.run("weave stop-router")
    # Two more hosts will be there, it believes, so nobody gets an address yet.
    host.run("weave launch-router --init-peer-count=3 --ipalloc-range=10.40.0.0/16 --name=7a:00:00:00:00:99")
    ended = host.sh("timeout --preserve-status -s INT 2 weave attach aa")
    said = "interrupted: what was begun is undone"
    assert (ended.status, ended.stdout, ended.stderr.strip()) == (130, "", said), ended
    assert host.run("weave ps aa") == ""
    for words in ("detach aa", "hide", "detach 10.9.1.1/24 c1"):
        host.run(f"weave {words}", timeout=10)
    ended = host.sh("weave attach aa & sleep 1; weave reset --force; wait $!; echo status $?")
    assert ended.stdout == "status 1\n" and "defect" not in ended.stderr, ended
    assert "ethwe" not in host.run("docker exec aa ip link")
    assert host.run("ip -o link | grep -E ': (weave|vethw)' || true") == "", "neither a bridge nor a pair"


def hosts_file_is_rewritten_and_docker_keeps_its_hands_off(host: LabHost) -> None:
    plain(host, "named", "-h aa.weave.local")
    host.run("weave attach 10.9.1.1/24 10.9.2.1/24 --rewrite-hosts --add-host=box:10.9.9.9 named")
    seen = host.run("docker exec named cat /etc/hosts")
    assert seen.splitlines()[:4] == [
        "# created by Weave - BEGIN",
        "# container hostname",
        "10.9.1.1    aa.weave.local aa",
        "10.9.2.1    aa.weave.local aa",
    ]
    assert "10.9.9.9     box" in seen.splitlines() and "127.0.0.1       localhost" in seen.splitlines()
    host.run("docker network create later && docker network connect later named")
    assert host.run("docker exec named cat /etc/hosts") == seen
    assert host.run("docker exec named cat /etc/hosts | tail -n1") == "# created by Weave - END"
