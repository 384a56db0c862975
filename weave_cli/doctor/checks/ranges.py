"""The range of addresses: does it overlap with what this host, or another one, routes elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from weave_cli.addresses import Cidr, format_address
from weave_cli.doctor.findings import Finding, failure, note, ok, warning


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFacts:
    """A route of a host: who has it, for what, by which device. host is empty for this one."""

    host: str
    route: Cidr
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeFacts:
    """wanted: the range, None when no addresses are allocated. underlay: addresses of the other hosts."""

    wanted: Cidr | None
    is_launched: bool
    routes: tuple[RouteFacts, ...]
    underlay: tuple[tuple[str, int], ...] = ()
    asked: tuple[str, ...] = ()
    """The other hosts that told of their routes."""


def check_ranges(facts: RangeFacts) -> Iterator[Finding]:
    wanted = facts.wanted
    if wanted is None:
        yield note("ranges.routes", "no addresses are allocated; fixed ones are compared when they are used")
        return
    clashes = [one for one in facts.routes if one.route.network.overlaps(wanted.network)]
    for one in clashes:
        yield _clash(facts, wanted, one)
    inside = [(name, address) for name, address in facts.underlay if address in wanted.network]
    for name, address in inside:
        yield failure(
            "ranges.underlay",
            f"{name} is reached at {format_address(address)}, which lies in the range {wanted}",
            why="containers that talk to that address mean a container; weave expose would cut the mesh",
            mend="weave reset; weave launch --ipalloc-range=<another range>, on all hosts",
        )
    if not clashes and not inside:
        others = f" and {', '.join(facts.asked)}" if facts.asked else ""
        yield ok("ranges.routes", f"the range {wanted} overlaps with no route of this host{others}")


def _clash(facts: RangeFacts, wanted: Cidr, one: RouteFacts) -> Finding:
    whose = one.host or "this host"
    seen = f"the range {wanted} overlaps with the route {one.route} of {whose} ({one.device})"
    why = "containers there may be unable to reach the machines behind that route, and the host containers"
    if not facts.is_launched:
        return failure(
            "ranges.routes", seen, why=why, mend="weave launch --ipalloc-range=<another range>, on all hosts"
        )
    return warning(
        "ranges.routes",
        seen,
        why=why,
        mend=f"ip route del {one.route} (on {whose}); or weave reset, another --ipalloc-range, everywhere",
    )
