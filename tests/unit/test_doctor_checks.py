"""The doctor's judgements, as tables: facts, and what is found. Only what is not well is listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from weave_cli.addresses import parse_address, parse_cidr
from weave_cli.doctor.checks.connections import ConnectionFacts, PathFacts, check_connections
from weave_cli.doctor.checks.containers import (
    ALL_OUT_OF_REACH,
    AllocatorFacts,
    DaemonFacts,
    ManagedFacts,
    check_allocator,
    check_daemon,
    check_managed,
)
from weave_cli.doctor.checks.engine import DockerFacts, check_docker
from weave_cli.doctor.checks.firewall import FirewallState, check_firewall
from weave_cli.doctor.checks.image import ImageFacts, check_image
from weave_cli.doctor.checks.kernel import KernelFacts, check_kernel
from weave_cli.doctor.checks.leftovers import GuestFacts, LeftoverFacts, check_guests, check_leftovers
from weave_cli.doctor.checks.plugin import PluginFacts, SocketFacts, check_plugin
from weave_cli.doctor.checks.ports import PortFacts, check_ports
from weave_cli.doctor.checks.ranges import RangeFacts, RouteFacts, check_ranges
from weave_cli.doctor.facts.engine import read_allocator
from weave_cli.doctor.findings import Category, Finding, Verdict, find_worst, note, ok
from weave_cli.reports import Paxos

pytestmark = pytest.mark.unit


def complaints(findings: Iterable[Finding]) -> list[str]:
    """Code and verdict of what is not well; each of these must say why, and what mends it."""
    found = [finding for finding in findings if finding.verdict is not Verdict.OK]
    for finding in found:
        if finding.verdict >= Verdict.WARNING:
            assert finding.why and finding.mend, finding
    return [f"{finding.code} {finding.verdict.word}" for finding in found]


_KERNEL = KernelFacts(release="6.1.0", refusals=dict.fromkeys(("bridge", "veth", "vxlan", "tap", "rules")))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (_KERNEL, []),
        (replace(_KERNEL, release="4.2.8-generic"), ["kernel.version warning"]),
        (replace(_KERNEL, release="unheard-of"), []),
        (
            replace(_KERNEL, refusals={"bridge": None, "vxlan": "Operation not supported"}),
            ["kernel.vxlan failure"],
        ),
    ],
)
def test_kernel(facts: KernelFacts, expected: list[str]) -> None:
    assert complaints(check_kernel(facts)) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (DockerFacts(version="28.5.2", api_version="1.51", bridge_address="172.17.0.1"), []),
        (DockerFacts(problem="cannot reach Docker", bridge_address="172.17.0.1"), ["docker.answers failure"]),
        (DockerFacts(version="28.5.2"), ["docker.bridge failure"]),
        (DockerFacts(version="28.5.2", wants_dns=False), ["docker.bridge note"]),
    ],
)
def test_docker(facts: DockerFacts, expected: list[str]) -> None:
    assert complaints(check_docker(facts)) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (ImageFacts(name="i", state="current"), []),
        (ImageFacts(name="i", state="missing"), ["image.current note"]),
        (ImageFacts(name="i", state="stale"), ["image.current warning"]),
        (ImageFacts(name="i", state="current", outdated=("weave",)), ["image.in-use warning"]),
    ],
)
def test_image(facts: ImageFacts, expected: list[str]) -> None:
    assert complaints(check_image(facts)) == expected


_ROUTER = DaemonFacts(component="router", container="weave", status="running", serves=True)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (_ROUTER, []),
        (replace(_ROUTER, serves=False), ["daemons.router failure"]),
        (replace(_ROUTER, status="exited"), ["daemons.router failure"]),
        (replace(_ROUTER, status="running", is_ours=False), ["daemons.router failure"]),
        (replace(_ROUTER, status=None), ["daemons.router note"]),
        (replace(_ROUTER, status=None, is_wanted=False), []),
        (replace(_ROUTER, restart_count=3), ["daemons.router-restarts warning"]),
    ],
)
def test_daemons(facts: DaemonFacts, expected: list[str]) -> None:
    assert complaints(check_daemon(facts)) == expected


_MANAGED = ManagedFacts(name="weave:swarm", is_ours=True, is_enabled=True, serves=True)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (_MANAGED, []),
        (replace(_MANAGED, serves=False), ["daemons.swarm-plugin failure"]),
        (replace(_MANAGED, is_enabled=False, serves=False), ["daemons.swarm-plugin failure"]),
        (replace(_MANAGED, is_ours=False), ["daemons.swarm-plugin warning"]),
    ],
)
def test_plugin_of_a_swarm(facts: ManagedFacts, expected: list[str]) -> None:
    assert complaints(check_managed(facts)) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (AllocatorFacts(state="ready"), []),
        (AllocatorFacts(state="not needed yet"), []),
        (AllocatorFacts(state="awaiting consensus (quorum 2, known 1)"), ["daemons.addresses warning"]),
        (AllocatorFacts(state="ready", unreachable=("host3",)), ["daemons.unreachable-owner warning"]),
        (
            AllocatorFacts(state=ALL_OUT_OF_REACH, unreachable=("host3",)),
            ["daemons.unreachable-owner warning"],
        ),
    ],
)
def test_allocator(facts: AllocatorFacts, expected: list[str]) -> None:
    assert complaints(check_allocator(facts)) == expected


_FIREWALL = FirewallState(
    backend="iptables-nft",
    is_in_both=False,
    repairs=(),
    listing=("-P INPUT ACCEPT", "-A FORWARD -j WEAVE-FORWARD", "-A INPUT -j WEAVE-INPUT"),
    ports=(("tcp", 6783), ("udp", 6783), ("udp", 6784)),
    router_runs=True,
    bridge="weave",
    has_bridge=True,
    filters_bridges=True,
)
_DISPLACED = ("*filter", "-D FORWARD -j WEAVE-FORWARD", "-I FORWARD 1 -j WEAVE-FORWARD", "COMMIT")


def listing(*rules: str, policy: str = "ACCEPT") -> FirewallState:
    return replace(_FIREWALL, listing=(f"-P INPUT {policy}", *rules))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (_FIREWALL, []),
        (replace(_FIREWALL, is_in_both=True), ["firewall.backend warning"]),
        (replace(_FIREWALL, repairs=("*filter", "-A WEAVE-FORWARD -j X")), ["firewall.rules failure"]),
        (
            replace(_FIREWALL, repairs=("*filter", "-I FORWARD 1 -j WEAVE-FORWARD", "COMMIT")),
            ["firewall.rules failure"],
        ),
        (replace(_FIREWALL, repairs=_DISPLACED), ["firewall.rules note"]),
        (replace(_FIREWALL, repairs=_DISPLACED, router_runs=False), ["firewall.rules warning"]),
        (
            replace(_FIREWALL, repairs=("-A WEAVE-FORWARD -j X",), router_runs=False, has_bridge=False),
            [],
        ),
        (listing("-A INPUT -p udp -m udp --dport 6784 -j DROP"), ["firewall.ports failure"]),
        (listing("-A OUTPUT -p tcp -m tcp --dport 6000:7000 -j REJECT"), ["firewall.ports failure"]),
        (
            listing("-A INPUT -p udp -m multiport --dports 53,6783,6784 -j DROP"),
            ["firewall.ports failure"] * 2,
        ),
        (listing("-A INPUT -p udp -m udp --dport 6784 -j ACCEPT"), []),
        (listing("-A INPUT -p udp -m udp --dport 53 -j DROP"), []),
        (listing("-A WEAVE-INPUT -i docker0 -p udp -m udp --dport 6784 -j DROP"), []),
        (listing("-A FORWARD -i weave -j DROP", "-A FORWARD -j WEAVE-FORWARD"), ["firewall.bridge failure"]),
        (listing("-A FORWARD -j WEAVE-FORWARD", "-A FORWARD -i weave -j DROP"), []),
        (replace(listing("-A FORWARD -i weave -j DROP"), filters_bridges=False), []),
        (listing(policy="DROP"), ["firewall.policy warning"]),
        (
            listing(
                "-A INPUT -p tcp -m tcp --dport 6783 -j ACCEPT",
                "-A INPUT -p udp -m udp --dport 6783:6784 -j ACCEPT",
                policy="DROP",
            ),
            [],
        ),
    ],
)
def test_firewall(facts: FirewallState, expected: list[str]) -> None:
    assert complaints(check_firewall(facts)) == expected


def test_rule_that_stops_a_port_is_mended_by_deleting_it() -> None:
    facts = listing("-A INPUT -p udp -m udp --dport 6784 -j DROP")
    (found,) = (one for one in check_firewall(facts) if one.verdict is Verdict.FAILURE)
    assert found.mend == "iptables-nft -D INPUT -p udp -m udp --dport 6784 -j DROP"


_PORT = PortFacts(
    protocol="udp", port=6783, address=None, purpose="overlay sleeve", instead="choose another", owner=None
)


@pytest.mark.parametrize(
    ("facts", "router_runs", "expected"),
    [
        (_PORT, False, []),
        (_PORT, True, ["ports.udp-sleeve failure"]),
        (replace(_PORT, owner="python (pid 7)", owner_pid=7, is_ours=True), True, []),
        (replace(_PORT, owner="nc (pid 7)", owner_pid=7), True, ["ports.udp-sleeve failure"]),
        (replace(_PORT, owner="nc (pid 7)", owner_pid=7), False, ["ports.udp-sleeve failure"]),
    ],
)
def test_ports(facts: PortFacts, router_runs: bool, expected: list[str]) -> None:
    assert complaints(check_ports([facts], router_runs=router_runs)) == expected


_RANGE = RangeFacts(
    wanted=parse_cidr("10.32.0.0/12"),
    is_launched=True,
    routes=(RouteFacts(host="", route=parse_cidr("172.17.0.0/16"), device="docker0"),),
)
_CLASH = RouteFacts(host="", route=parse_cidr("10.40.0.0/16"), device="eth1")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (_RANGE, []),
        (replace(_RANGE, wanted=None), ["ranges.routes note"]),
        (replace(_RANGE, routes=(_CLASH,)), ["ranges.routes warning"]),
        (replace(_RANGE, routes=(_CLASH,), is_launched=False), ["ranges.routes failure"]),
        (replace(_RANGE, underlay=(("host2", parse_address("10.40.0.9")),)), ["ranges.underlay failure"]),
        (replace(_RANGE, underlay=(("host2", parse_address("192.168.0.9")),)), []),
    ],
)
def test_ranges(facts: RangeFacts, expected: list[str]) -> None:
    assert complaints(check_ranges(facts)) == expected


_LINK = ConnectionFacts(
    address="10.0.0.2:6783",
    peer="host2",
    state="established",
    info="vxlan  7a:00:00:00:00:02(host2)",
    attributes={"name": "vxlan", "mtu": 1450},
)
_PATHS = PathFacts(connections=(_LINK,), mtu=1450, underlay_mtu=1500, is_encrypted=False, port=6783)


def link(state: str = "established", info: str = "", **attributes: str | int) -> PathFacts:
    one = replace(_LINK, state=state, info=info, attributes=attributes)
    return replace(_PATHS, connections=(one,))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (_PATHS, []),
        (replace(_PATHS, connections=()), ["connections.any note"]),
        (replace(_PATHS, underlay_mtu=1400), ["connections.own-mtu warning"]),
        (
            link(name="sleeve", mtu=1400, vxlan="no heartbeats through UDP port 6784"),
            ["connections.overlay warning"],
        ),
        (link(name="sleeve", mtu=1400, vxlan="the peer does not offer it"), []),
        (replace(link(name="sleeve", vxlan="it does not encrypt"), is_encrypted=True), []),
        (link(), ["connections.state failure"]),
        (link(name="vxlan", mtu=1450, path_mtu=1350), ["connections.mtu warning"]),
        (link("pending"), ["connections.state note"]),
        (link("connecting"), ["connections.state note"]),
        (link("failed", "dial tcp: connection refused, retry: never"), ["connections.state failure"]),
        (link("retrying", "something that nobody has seen"), ["connections.state failure"]),
    ],
)
def test_connections(facts: PathFacts, expected: list[str]) -> None:
    assert complaints(check_connections(facts)) == expected


@pytest.mark.parametrize(
    ("reason", "mend"),
    [
        ("no heartbeats through UDP port 6784", "open UDP port 6784 on both hosts"),
        ("all hosts need the same --port", "--port"),
        ("packets get lost: set WEAVE_MTU lower on all hosts", "weave stop; WEAVE_MTU=<less> weave launch"),
    ],
)
def test_reason_why_vxlan_does_not_carry_leads_to_what_mends_it(reason: str, mend: str) -> None:
    (found,) = (one for one in check_connections(link(name="sleeve", mtu=838, vxlan=reason)) if one.mend)
    assert found.mend.startswith(mend)


@pytest.mark.parametrize(
    ("info", "mend"),
    [
        (
            "connection refused",
            "weave launch (there); or weave forget 10.0.0.2:6783 (here), if there is to be none",
        ),
        ("cannot connect to ourself", "weave forget 10.0.0.2:6783"),
        ("connection timed out", "ping 10.0.0.2; open TCP port 6783 there; or weave forget 10.0.0.2:6783"),
        ("no working forwarders to x", "open UDP ports 6783 and 6784 on both hosts"),
    ],
)
def test_error_of_a_connection_leads_to_what_mends_it(info: str, mend: str) -> None:
    assert [one.mend for one in check_connections(link("failed", info)) if one.mend] == [mend]


_SOCKET = SocketFacts(path="/run/docker/plugins/weave.sock", state="answers", is_ours=True)
_PLUGIN = PluginFacts(sockets=(_SOCKET,), runs=True, networks=("weave",))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (_PLUGIN, []),
        (PluginFacts(sockets=(), runs=False), []),
        (replace(_PLUGIN, sockets=()), ["plugin.socket failure"]),
        (replace(_PLUGIN, sockets=(replace(_SOCKET, state="dead"),)), ["plugin.socket failure"]),
        (replace(_PLUGIN, sockets=(replace(_SOCKET, state="silent"),)), ["plugin.socket failure"]),
        (
            replace(_PLUGIN, sockets=(_SOCKET, replace(_SOCKET, state="dead", is_ours=False))),
            ["plugin.foreign-socket warning"],
        ),
        (replace(_PLUGIN, sockets=(), runs=False), ["plugin.networks failure"]),
        (replace(_PLUGIN, stale=(("weave", "db"),)), ["plugin.endpoint warning"]),
    ],
)
def test_plugin(facts: PluginFacts, expected: list[str]) -> None:
    assert complaints(check_plugin(facts)) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (LeftoverFacts(), []),
        (LeftoverFacts(pairs=("vethwepl77",)), ["leftovers.pair warning"]),
        (LeftoverFacts(foreign=("datapath",)), ["leftovers.foreign failure"]),
        (LeftoverFacts(test_containers=("weave-test-1",)), ["leftovers.test warning"]),
        (LeftoverFacts(bridge_without_router=True), ["leftovers.bridge warning"]),
    ],
)
def test_leftovers(facts: LeftoverFacts, expected: list[str]) -> None:
    assert complaints(check_leftovers(facts)) == expected


def test_container_that_is_on_one_subnet_twice() -> None:
    here, there, elsewhere = map(parse_cidr, ("10.32.0.1/12", "10.32.0.2/12", "10.2.0.1/24"))
    twice = GuestFacts(container="a", attached=(here,), plugged=(there,))
    apart = GuestFacts(container="b", attached=(elsewhere,), plugged=(there,))
    assert complaints(check_guests((twice, apart))) == ["containers.twice warning"]
    assert complaints(check_guests((apart,))) == []


def test_the_worst_verdict_counts() -> None:
    fine, known = Category(name="a", findings=(ok("a", "a"),)), Category(name="b", findings=(note("b", "b"),))
    assert find_worst([]) is Verdict.OK
    assert find_worst([fine, known]) is Verdict.NOTE


def test_proxy_that_nobody_launched_is_nothing_wrong_and_a_dead_one_is() -> None:
    facts = DaemonFacts(component="proxy", container="weaveproxy", status=None, is_wanted=False)
    assert list(check_daemon(facts)) == []
    (found,) = check_daemon(replace(facts, status="exited"))
    assert found.mend == "docker logs weaveproxy; weave launch-proxy"


@pytest.mark.parametrize(
    ("paxos", "owners", "pending", "state"),
    [
        (None, [], [], "not needed yet"),
        ({"Elector": True, "KnownNodes": 1, "Quorum": 2}, [], [], "awaiting consensus (quorum 2, known 1)"),
        ({"Elector": False, "KnownNodes": 0, "Quorum": 0}, [], [], "priming"),
        (None, [("host1", True)], [], "ready"),
        (None, [("host1", True), ("host2", False)], ["somebody"], "waiting for a free address"),
        (None, [("host2", False)], [], ALL_OUT_OF_REACH),
    ],
)
def test_allocator_as_the_report_tells_of_it(
    paxos: Paxos | None, owners: list[tuple[str, bool]], pending: list[str], state: str
) -> None:
    found = read_allocator(
        {
            "Paxos": paxos,
            "Range": "10.32.0.0/12",
            "RangeNumIPs": 1 << 20,
            "ActiveIPs": 0,
            "DefaultSubnet": "10.32.0.0/12",
            "Entries": [
                {
                    "Token": "10.32.0.0",
                    "Size": 1 << 20,
                    "Peer": f"7a:00:00:00:00:0{place}",
                    "Nickname": nickname,
                    "IsKnownPeer": is_known,
                    "Version": 1,
                }
                for place, (nickname, is_known) in enumerate(owners)
            ],
            "PendingClaims": None,
            "PendingAllocates": pending,
        }
    )
    assert found == AllocatorFacts(state=state, unreachable=("host2",) * (("host2", False) in owners))
    told = [finding for finding in check_allocator(found) if finding.code == "daemons.addresses"]
    assert len(told) == (state != ALL_OUT_OF_REACH)
