"""Firewall rules as values, and the plans that make them so; a table kept as text applies the plans."""

from __future__ import annotations

import random

import pytest

from weave_cli.addresses import parse_cidr
from weave_cli.host.rules import (
    NAT,
    Chain,
    Exposure,
    FirewallFacts,
    is_masqueraded,
    plan_removal,
    plan_repair,
    wanted_chains,
)

EMPTY = ["-P INPUT ACCEPT", "-P FORWARD ACCEPT", "-P OUTPUT ACCEPT"]
CHAINS = wanted_chains(FirewallFacts())


def apply(listing: list[str], lines: list[str]) -> list[str]:
    """What `iptables-restore --noflush` would make of a table; refuses what it would refuse."""
    if not lines:
        return listing
    assert lines[0] == "*filter" and lines[-1] == "COMMIT"
    chains: dict[str, list[str]] = {}
    for line in listing:
        verb, name, *rest = line.split(" ", 2)
        if verb in ("-P", "-N"):
            chains[name] = []
        else:
            chains[name].append(" ".join(rest))
    for line in lines[1:-1]:
        if line.startswith(":"):
            chains[line[1:].split()[0]] = []
            continue
        verb, name, *rest = line.split(" ", 2)
        rule = " ".join(rest)
        match verb:
            case "-A":
                chains[name].append(rule)
            case "-I":
                assert rule.startswith("1 ")
                chains[name].insert(0, rule[2:])
            case "-D":
                chains[name].remove(rule)
            case "-F":
                chains[name] = []
            case "-X":
                assert not chains.pop(name), "a chain with rules cannot be deleted"
                assert not any(f"-j {name}" in rule for rules in chains.values() for rule in rules)
            case _:
                raise AssertionError(line)
    own = [f"-N {name}" for name in chains if name not in ("INPUT", "FORWARD", "OUTPUT")]
    return [*EMPTY, *own, *(f"-A {name} {rule}" for name, rules in chains.items() for rule in rules)]


#: What comes from a realm stays there.
REALMS = (
    "-i weavebr-+ -o weavebr-+ -j ACCEPT",
    "-i weavebr-+ -j DROP",
    "-o weavebr-+ -j DROP",
)


#: What only the hosts themselves have to say to each other.
MESH_FROM = "-i {0} ! -o {0} -p {1} -m {1} --dport {2} -j DROP"
PORTS = (("tcp", 6783), ("udp", 6783), ("udp", 6784))
#: Docker's bridges have no way to ours, and nobody but the hosts speaks with the mesh.
OTHERS = (
    "-i docker0 -o weave -j DROP",
    "-i docker_gwbridge -o weave -j DROP",
    *(MESH_FROM.format(name, *port) for name in ("docker0", "docker_gwbridge", "weave") for port in PORTS),
)


def rules_of(listing: list[str], chain: str) -> list[str]:
    return [line.removeprefix(f"-A {chain} ") for line in listing if line.startswith(f"-A {chain} ")]


def test_from_nothing_to_all() -> None:
    after = apply(EMPTY, plan_repair(EMPTY, CHAINS))
    assert rules_of(after, "FORWARD") == ["-j WEAVE-FORWARD"]
    assert rules_of(after, "INPUT") == ["-j WEAVE-INPUT"]
    assert rules_of(after, "WEAVE-FORWARD") == [
        "-i weave -o weave -j ACCEPT",
        *REALMS,
        *OTHERS,
    ]
    assert plan_repair(after, CHAINS) == []


def test_rules_follow_the_facts() -> None:
    facts = FirewallFacts(mesh_port=7000, docker_bridge="br9", control_address="127.0.0.1:7001")
    forward, entering, _ = wanted_chains(facts)
    assert "-i br9 -o weave -j DROP" in forward.rules
    assert "-i br9 -p udp -m udp --dport 7001 -j DROP" in entering.rules
    assert entering.rules[0].startswith("-d 127.0.0.1/32 -p tcp -m tcp --dport 7001 ")


def test_questions_for_names_are_welcome_from_both_docker_bridges() -> None:
    _, entering, _ = CHAINS
    for bridge in ("docker0", "docker_gwbridge"):
        for protocol in ("udp", "tcp"):
            assert f"-i {bridge} -p {protocol} -m {protocol} --dport 53 -j ACCEPT" in entering.rules


def test_a_docker_that_uses_our_bridge_is_not_cut_off() -> None:
    forward, entering, _ = wanted_chains(FirewallFacts(docker_bridge="weave"))
    assert not any(rule.startswith("-i weave -o weave -j DROP") for rule in forward.rules)
    assert len(set(entering.rules)) == len(entering.rules)


def test_a_control_address_open_to_others_is_the_operators_choice() -> None:
    _, entering, _ = wanted_chains(FirewallFacts(control_address="0.0.0.0:6784"))
    assert not any("--src-type" in rule for rule in entering.rules)


@pytest.mark.parametrize(
    ("sources", "rules"),
    [
        (None, ()),
        (("10.1.0.0/16", "0.0.0.0/0"), ()),
        ((), ("-p udp -m udp --dport 6784 -j DROP",)),
        (
            ("10.1.0.0/16", "10.9.9.9/32"),
            (
                "-s 10.1.0.0/16 -p udp -m udp --dport 6784 -j RETURN",
                "-s 10.9.9.9/32 -p udp -m udp --dport 6784 -j RETURN",
                "-p udp -m udp --dport 6784 -j DROP",
            ),
        ),
    ],
    ids=["no password", "everybody trusted", "nobody trusted", "some trusted"],
)
def test_frames_in_clear_come_from_trusted_hosts_only(
    sources: tuple[str, ...] | None, rules: tuple[str, ...]
) -> None:
    trusted = None if sources is None else tuple(map(parse_cidr, sources))
    _, entering, _ = wanted_chains(FirewallFacts(clear_sources=trusted))
    assert entering.rules == CHAINS[1].rules + rules


def test_ours_come_before_dockers_again() -> None:
    whole = apply(EMPTY, plan_repair(EMPTY, CHAINS))
    restarted = apply(whole, ["*filter", ":DOCKER-USER - [0:0]", "-I FORWARD 1 -j DOCKER-USER", "COMMIT"])
    repaired = apply(restarted, plan_repair(restarted, CHAINS))
    assert rules_of(repaired, "FORWARD") == ["-j WEAVE-FORWARD", "-j DOCKER-USER"]


def test_a_doubled_jump_is_made_single() -> None:
    whole = apply(EMPTY, plan_repair(EMPTY, CHAINS))
    doubled = apply(whole, ["*filter", "-I FORWARD 1 -j WEAVE-FORWARD", "COMMIT"])
    assert rules_of(apply(doubled, plan_repair(doubled, CHAINS)), "FORWARD") == ["-j WEAVE-FORWARD"]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_others_do_one_repair_is_enough_and_a_removal_leaves_theirs(seed: int) -> None:
    chance = random.Random(seed)
    chains = (
        Chain("WEAVE-FORWARD", "FORWARD", ("-j DROP", "-j ACCEPT")),
        Chain("WEAVE-INPUT", "INPUT", ("-j DROP",)),
    )
    table = EMPTY
    for _ in range(12):
        table = apply(table, plan_repair(table, chains))
        assert plan_repair(table, chains) == []
        assert rules_of(table, "WEAVE-FORWARD") == ["-j DROP", "-j ACCEPT"]
        assert rules_of(table, "FORWARD")[0] == "-j WEAVE-FORWARD"
        harm = chance.choice(
            [
                "-F FORWARD",
                "-F INPUT",
                "-F WEAVE-FORWARD",
                "-A FORWARD -j ACCEPT",
                "-I INPUT 1 -j ACCEPT",
                "-I FORWARD 1 -j WEAVE-FORWARD",
                "-A WEAVE-INPUT -j ACCEPT",
                "-D WEAVE-FORWARD -j DROP",
            ]
        )
        table = apply(table, ["*filter", harm, "COMMIT"])
    removed = apply(table, plan_removal(table, chains))
    assert not any("WEAVE" in line for line in removed)
    assert removed == [line for line in table if "WEAVE" not in line]
    assert plan_removal(removed, chains) == []


def test_exposed_subnets_are_let_through_and_translated() -> None:
    exposures = (
        Exposure(parse_cidr("10.2.1.7/24")),
        Exposure(parse_cidr("10.2.1.8/24")),
        Exposure(parse_cidr("10.3.0.1/16"), masquerades=False),
    )
    forward, _, nat = wanted_chains(FirewallFacts(exposures=exposures))
    assert forward.rules == (
        "-i weave -o weave -j ACCEPT",
        *REALMS,
        *OTHERS,
        "-d 10.2.1.0/24 -o weave -j ACCEPT",
        "-d 10.3.0.0/16 -o weave -j ACCEPT",
        "-i weave ! -o weave -j ACCEPT",
        "-o weave -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    )
    assert (nat.name, nat.entered_from, nat.table) == ("WEAVE", "POSTROUTING", NAT)
    assert nat.rules == (
        "-s 10.2.1.0/24 -d 224.0.0.0/4 -j RETURN",
        "! -s 10.2.1.0/24 -d 10.2.1.0/24 -j MASQUERADE",
        "-s 10.2.1.0/24 ! -d 10.2.1.0/24 -j MASQUERADE",
    )
    listing = [f"-A WEAVE {rule}" for rule in nat.rules]
    assert is_masqueraded(exposures[0].subnet, listing)
    assert not is_masqueraded(exposures[2].subnet, listing)


def test_each_table_has_a_transaction_of_its_own() -> None:
    lines = plan_repair(["-P POSTROUTING ACCEPT"], CHAINS, NAT)
    assert lines == ["*nat", ":WEAVE - [0:0]", "-A POSTROUTING -j WEAVE", "COMMIT"]
    there = [
        "-P POSTROUTING ACCEPT",
        "-N WEAVE",
        "-A POSTROUTING -s 172.18.0.0/16 ! -o docker_gwbridge -j MASQUERADE",
        "-A POSTROUTING -j WEAVE",
        "-A WEAVE -j RETURN",
    ]
    assert plan_repair(there, CHAINS, NAT) == ["*nat", ":WEAVE - [0:0]", "COMMIT"]
    assert plan_removal(there, CHAINS, NAT) == [
        "*nat",
        "-D POSTROUTING -j WEAVE",
        "-F WEAVE",
        "-X WEAVE",
        "COMMIT",
    ]
