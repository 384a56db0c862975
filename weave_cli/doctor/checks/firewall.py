"""The firewall: are our rules there and in front, in Docker's backend; does another one stop the mesh."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.doctor.findings import Finding, failure, note, ok, warning

_STOPS: Final = re.compile(r"-j (DROP|REJECT)\b")
_PORTS: Final = re.compile(r"--dports? (\S+)")
_JUMP: Final = re.compile(r"-(?:D|I|A) \S+ (?:1 )?-j WEAVE\S*")
_CHECKED_CHAINS: Final = ("INPUT", "OUTPUT")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallState:
    """backend: the program that Docker's rules are made with; both: Docker has rules in either.

    repairs: lines that `iptables-restore` would need to bring ours about. listing: the filter table, as
    `iptables -S` prints it. ports: the mesh's, as (protocol, number).
    """

    backend: str
    is_in_both: bool
    repairs: tuple[str, ...]
    listing: tuple[str, ...]
    ports: tuple[tuple[str, int], ...]
    router_runs: bool
    bridge: str
    has_bridge: bool
    filters_bridges: bool
    """Frames between two ports of a bridge pass through iptables (br_netfilter)."""


def check_firewall(facts: FirewallState) -> Iterator[Finding]:
    yield ok("firewall.backend", f"rules are made with {facts.backend}, as Docker's are")
    if facts.is_in_both:
        yield warning(
            "firewall.backend",
            "Docker has rules in both backends, iptables-nft and iptables-legacy",
            why="a packet must pass both, and rules of one do not show in the other",
            mend="update-alternatives --config iptables, then reboot",
        )
    if facts.router_runs or facts.has_bridge:
        yield from _check_ours(facts)
    yield from _check_others(facts)


def _check_ours(facts: FirewallState) -> Iterator[Finding]:
    if not facts.repairs:
        yield ok("firewall.rules", "our rules are there and in front")
        return
    missing = [line for line in facts.repairs if line.startswith(("-A", "-I", "-D"))]
    if all(_JUMP.fullmatch(line) for line in missing) and any(line.startswith("-D") for line in missing):
        yield _out_of_place(facts)
        return
    shown = "; ".join(missing[:3]) + (f"; and {len(missing) - 3} more" if len(missing) > 3 else "")
    yield failure(
        "firewall.rules",
        f"our rules are not as they should be; needed: {shown}",
        why="containers may be cut off from each other, from weaveDNS, or the mesh be open to containers",
        mend="docker restart weave; if its image is outdated: weave stop; weave launch ..."
        if facts.router_runs
        else "weave launch",
    )


def _out_of_place(facts: FirewallState) -> Finding:
    seen = "our rules are there, but others stand in front of them"
    if facts.router_runs:
        return note(
            "firewall.rules",
            seen,
            why="Docker puts its own there when it makes a network; the router moves ours back within 20 s",
        )
    return warning(
        "firewall.rules",
        seen,
        why="Docker's may stop what ours let through, and no router runs that would put them back in front",
        mend="weave launch",
    )


def _check_others(facts: FirewallState) -> Iterator[Finding]:
    stopping = list(find_stopping(facts.listing, facts.ports))
    for chain, rule, protocol, port in stopping:
        yield failure(
            "firewall.ports",
            f"a rule in {chain} stops {protocol.upper()} port {port}: {rule}",
            why="other hosts cannot connect, or frames go a slow way round",
            mend=f"iptables -D {rule.removeprefix('-A ')}".replace("iptables", facts.backend, 1),
        )
    for rule in find_bridge_stopping(facts.listing, facts.bridge) if facts.filters_bridges else ():
        yield failure(
            "firewall.bridge",
            f"a rule in front of ours stops frames on the bridge: {rule}",
            why="containers cannot reach each other",
            mend=f"{facts.backend} -D {rule.removeprefix('-A ')}",
        )
    policy = next((line for line in facts.listing if line.startswith("-P INPUT ")), "")
    if policy == "-P INPUT DROP" and not stopping:
        unnamed = [f"{name}/{port}" for name, port in facts.ports if not _is_named(facts.listing, name, port)]
        if unnamed:
            yield warning(
                "firewall.policy",
                f"the policy of INPUT is DROP, and no rule of INPUT names {', '.join(unnamed)}",
                why="other hosts reach this one only if some other rule lets them",
                mend="; ".join(
                    f"{facts.backend} -A INPUT -p {name} --dport {port} -j ACCEPT"
                    for name, port in facts.ports
                ),
            )
    if not stopping and policy != "-P INPUT DROP":
        yield ok("firewall.ports", "no rule of INPUT or OUTPUT stops the mesh's ports")


def find_stopping(
    listing: Sequence[str], ports: Sequence[tuple[str, int]]
) -> Iterator[tuple[str, str, str, int]]:
    """Chain, rule, protocol and port of rules of the built-in chains that drop or reject a port of ours."""
    for line in listing:
        match = re.match(r"-A (\S+) ", line)
        if match is None or match[1] not in _CHECKED_CHAINS or not _STOPS.search(line):
            continue
        for protocol, port in ports:
            if f"-p {protocol} " in line and _covers(line, port):
                yield match[1], line, protocol, port


def find_bridge_stopping(listing: Sequence[str], bridge: str) -> Iterator[str]:
    """Rules of FORWARD that drop what passes the bridge, before our chain has spoken."""
    for line in listing:
        if line == "-A FORWARD -j WEAVE-FORWARD":
            return
        if line.startswith("-A FORWARD ") and _STOPS.search(line) and f" {bridge} " in f"{line} ":
            yield line


def _covers(line: str, port: int) -> bool:
    match = _PORTS.search(line)
    if match is None or "! --dport" in line:
        return False
    for part in match[1].split(","):
        low, _, high = part.partition(":")
        if int(low or 0) <= port <= int(high or low or 65535):
            return True
    return False


def _is_named(listing: Sequence[str], protocol: str, port: int) -> bool:
    return any(
        line.startswith("-A INPUT ") and f"-p {protocol} " in line and _covers(line, port) for line in listing
    )
