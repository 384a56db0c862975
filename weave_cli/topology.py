"""The mesh as a graph, read from a router's report. Pure; draws nothing.

A router knows all links of the mesh, but of a link between two other hosts only whether it is there: overlay,
encryption and round trip are known of its own links.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import combinations

from weave_cli.report_states import find_remote, list_owners
from weave_cli.reports import ROUND_TRIP, LocalConnection, Report


class LinkState(Enum):
    """How far a link has come."""

    ESTABLISHED = "established"
    ONE_SIDED = "one-sided"
    """One end says that it is established, the other does not: it is coming, or going."""
    PENDING = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A host of the mesh."""

    name: str
    nickname: str
    hops: int | None
    """Links between us and it, 0 for ourselves; None when no established ones lead there."""
    via: str | None
    """Name of the neighbour that our frames for it go through; None for ourselves and for neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two hosts that have a TCP connection with each other; `ends` are names, ours first, else sorted."""

    ends: tuple[str, str]
    state: LinkState
    address: str
    """Of the second end as the first one sees it, or the other way about when only that end tells of it."""
    overlay: str | None = None
    """Who carries the frames: vxlan, sleeve. This and all below are None where the report does not say."""
    is_encrypted: bool | None = None
    round_trip_ms: float | None = None
    mtu: int | None = None
    path_mtu: int | str | None = None
    """Of a path that is narrower than our MTU."""
    trouble: str | None = None
    """Why a better overlay does not carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Somebody who should be there, and is not."""

    label: str
    """The address of a target, or the nickname of a host that owns addresses."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Nodes with ourselves first, then by nickname; of links ours come first."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    absent: tuple[Absent, ...]

    @property
    def own(self) -> Node:
        return self.nodes[0]

    @property
    def most_links(self) -> int:
        """How many there would be if everybody were connected with everybody."""
        return len(self.nodes) * (len(self.nodes) - 1) // 2

    def own_links(self) -> Mapping[str, Link]:
        """By the name of the other end."""
        return {link.ends[1]: link for link in self.links if link.ends[0] == self.own.name}

    def count(self, state: LinkState) -> int:
        return sum(link.state is state for link in self.links)


def read_topology(report: Report) -> Topology:
    """The graph that a router's report tells of."""
    router = report["Router"]
    own_name = router["Name"]
    nicknames = {peer["Name"]: peer["NickName"] for peer in router["Peers"]}
    nicknames.setdefault(own_name, router["NickName"])
    links = _links(report, nicknames.keys())
    hops = _count_hops(own_name, links)
    via = {route["Dest"]: route["Via"] for route in router["UnicastRoutes"]}
    nodes = [
        Node(
            name=name,
            nickname=nickname,
            hops=hops.get(name),
            via=via.get(name) if via.get(name, name) not in (name, own_name) and hops.get(name) else None,
        )
        for name, nickname in nicknames.items()
    ]
    nodes.sort(key=lambda node: (node.name != own_name, natural(node.nickname), node.name))
    return Topology(nodes=tuple(nodes), links=tuple(links), absent=tuple(_absent(report)))


def missing_links(topology: Topology) -> Iterable[tuple[str, str]]:
    """Pairs of names without an established link."""
    there = {frozenset(link.ends) for link in topology.links if link.state is LinkState.ESTABLISHED}
    names = [node.name for node in topology.nodes]
    return (pair for pair in combinations(names, 2) if frozenset(pair) not in there)


def natural(text: str) -> list[tuple[bool, int, str]]:
    """Sorts host2 before host10."""
    parts = re.findall(r"[0-9]{1,9}|[^0-9]+|[0-9]", text)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _links(report: Report, names: Iterable[str]) -> list[Link]:
    router = report["Router"]
    own_name = router["Name"]
    order = {
        name: place for place, name in enumerate(sorted(names, key=lambda name: (name != own_name, name)))
    }
    told: dict[tuple[str, str], dict[str, tuple[bool, str]]] = {}
    for peer in router["Peers"]:
        for one in peer["Connections"] or ():
            if peer["Name"] in order and one["Name"] in order and peer["Name"] != one["Name"]:
                first, second = sorted((peer["Name"], one["Name"]), key=order.__getitem__)
                by_end = told.setdefault((first, second), {})
                is_established = one["Established"] or by_end.get(peer["Name"], (False, ""))[0]
                by_end[peer["Name"]] = (is_established, one["Address"])
    details = _own_details(report)
    found = []
    for ends in sorted(told, key=lambda ends: (order[ends[0]], order[ends[1]])):
        by_end = told[ends]
        established = Counter(is_established for is_established, _ in by_end.values())[True]
        state = (LinkState.PENDING, LinkState.ONE_SIDED, LinkState.ESTABLISHED)[established]
        detail = details.get(ends[1]) if ends[0] == own_name else None
        address = by_end[ends[0] if ends[0] in by_end else ends[1]][1]
        found.append(
            _own_link(ends, state, detail) if detail else Link(ends=ends, state=state, address=address)
        )
    return found


def _own_details(report: Report) -> dict[str, LocalConnection]:
    """Our connections by the peer's name; of several with one peer, the one that is established."""
    found: dict[str, LocalConnection] = {}
    for one in report["Router"]["Connections"]:
        remote = find_remote(one["Info"]) if one["State"] in ("established", "pending") else None
        if remote and (remote[0] not in found or one["State"] == "established"):
            found[remote[0]] = one
    return found


def _own_link(ends: tuple[str, str], state: LinkState, one: LocalConnection) -> Link:
    attributes = one["Attrs"] or {}
    overlay = attributes.get("name")
    round_trip_us = attributes.get(ROUND_TRIP)
    mtu = attributes.get("mtu")
    path_mtu = attributes.get("path_mtu")
    own = {"name", "mtu", "path_mtu", "encrypted", ROUND_TRIP}
    troubles = [f"{key}: {value}" for key, value in attributes.items() if key not in own]
    first_word = one["Info"].split(" ", 1)[0]
    return Link(
        ends=ends,
        state=state,
        address=one["Address"],
        overlay=str(overlay) if overlay else None,
        is_encrypted={"encrypted": True, "unencrypted": False}.get(first_word, False),
        round_trip_ms=round_trip_us / 1000 if isinstance(round_trip_us, int) else None,
        mtu=mtu if isinstance(mtu, int) else None,
        path_mtu=path_mtu,
        trouble="; ".join(troubles) or None,
    )


def _count_hops(own_name: str, links: Iterable[Link]) -> dict[str, int]:
    """Over established links, and those that at least one end calls so."""
    beside: dict[str, list[str]] = {}
    for link in links:
        if link.state is not LinkState.PENDING:
            beside.setdefault(link.ends[0], []).append(link.ends[1])
            beside.setdefault(link.ends[1], []).append(link.ends[0])
    hops = {own_name: 0}
    waiting = deque([own_name])
    while waiting:
        name = waiting.popleft()
        for other in beside.get(name, ()):
            if other not in hops:
                hops[other] = hops[name] + 1
                waiting.append(other)
    return hops


def _absent(report: Report) -> Iterable[Absent]:
    """Targets that nobody answers at, then owners of addresses that the mesh does not know."""
    for one in report["Router"]["Connections"]:
        if one["State"] not in ("established", "pending"):
            reason = f"{one['State']}: {one['Info']}" if one["Info"] else one["State"]
            yield Absent(label=one["Address"], reason=reason)
    for owner in list_owners(report["IPAM"], report["Router"]["Name"]) if "IPAM" in report else ():
        if not owner.is_reachable:
            yield Absent(label=owner.nickname or owner.name, reason=f"gone, and owns {owner.size} addresses")
