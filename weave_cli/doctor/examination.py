"""All of it, category by category; a look that fails is a finding too. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from weave_cli.doctor.checks.connections import check_connections
from weave_cli.doctor.checks.containers import check_allocator, check_daemon, check_managed
from weave_cli.doctor.checks.engine import check_docker
from weave_cli.doctor.checks.firewall import check_firewall
from weave_cli.doctor.checks.image import check_image
from weave_cli.doctor.checks.kernel import check_kernel
from weave_cli.doctor.checks.leftovers import check_guests, check_leftovers
from weave_cli.doctor.checks.peers import PeerFacts, check_clocks, check_names
from weave_cli.doctor.checks.plugin import check_plugin
from weave_cli.doctor.checks.ports import check_ports
from weave_cli.doctor.checks.ranges import check_ranges
from weave_cli.doctor.facts import engine, machine, mesh, remains
from weave_cli.doctor.facts.circumstances import Circumstances, read_circumstances
from weave_cli.doctor.findings import Category, Finding, Verdict, failure, find_worst
from weave_cli.errors import WeaveError
from weave_cli.settings import Settings

_POLL_S: Final = 1.0

Look = Callable[[Circumstances], Iterable[Finding]]


def _look_at_daemons(around: Circumstances) -> Iterator[Finding]:
    for daemon in engine.read_daemons(around):
        yield from check_daemon(daemon)
    if around.managed is not None:
        yield from check_managed(engine.read_managed(around.managed))
    if around.report is not None and "IPAM" in around.report:
        yield from check_allocator(engine.read_allocator(around.report["IPAM"]))


def _look_at_image(around: Circumstances) -> Iterable[Finding]:
    return () if around.client is None else check_image(engine.read_image(around.client, around))


def _look_at_connections(around: Circumstances) -> Iterable[Finding]:
    return check_connections(mesh.read_paths(around)) if around.router_runs else ()


def _look_at_names(around: Circumstances) -> Iterable[Finding]:
    if around.report is None:
        return ()
    router = around.report["Router"]
    us = PeerFacts(name=router["Name"], nickname=router["NickName"], skew_s=0.0)
    return check_names(us, around.peers)


def _look_at_plugin(around: Circumstances) -> Iterable[Finding]:
    return () if around.client is None else check_plugin(engine.read_plugin(around.client, around))


def _look_at_containers(around: Circumstances) -> Iterable[Finding]:
    return () if around.client is None else check_guests(tuple(remains.read_guests(around.client)))


def _look_at_leftovers(around: Circumstances) -> Iterable[Finding]:
    return () if around.client is None else check_leftovers(remains.read_leftovers(around.client, around))


#: In the order in which one thing rests on another.
CATEGORIES: Final[tuple[tuple[str, Look], ...]] = (
    ("kernel", lambda around: check_kernel(machine.read_kernel())),
    ("docker", lambda around: check_docker(engine.read_docker(around))),
    ("image", _look_at_image),
    ("daemons", _look_at_daemons),
    ("ports", lambda around: check_ports(machine.read_ports(around), router_runs=around.router_runs)),
    ("firewall", lambda around: check_firewall(machine.read_firewall(around))),
    ("ranges", lambda around: check_ranges(machine.read_ranges(around))),
    ("connections", _look_at_connections),
    ("clocks", lambda around: check_clocks(around.peers)),
    ("names", _look_at_names),
    ("plugin", _look_at_plugin),
    ("containers", _look_at_containers),
    ("leftovers", _look_at_leftovers),
)


def examine(settings: Settings) -> tuple[Category, ...]:
    """Every category that has something to say."""
    around = read_circumstances(settings)
    looked = (Category(name=name, findings=tuple(_look(name, look, around))) for name, look in CATEGORIES)
    return tuple(category for category in looked if category.findings)


def examine_until_well(
    settings: Settings, wait_s: float, on_look: Callable[[tuple[Category, ...]], None]
) -> tuple[Category, ...]:
    """The same again and again, until nothing is worse than a note or the time is over; the last of them.

    on_look hears of every look that was not good enough.
    """
    deadline = time.monotonic() + wait_s
    while True:
        seen = examine(settings)
        if find_worst(seen) <= Verdict.NOTE or time.monotonic() >= deadline:
            return seen
        on_look(seen)
        time.sleep(min(_POLL_S, max(0.0, deadline - time.monotonic())))


def _look(name: str, look: Look, around: Circumstances) -> Iterator[Finding]:
    try:
        yield from look(around)
    except (WeaveError, OSError) as problem:
        yield failure(
            f"{name}.seen",
            f"cannot look: {problem}",
            why="what cannot be seen may be wrong",
            mend=(problem.hint if isinstance(problem, WeaveError) else None) or "WEAVE_DEBUG=1 weave doctor",
        )
