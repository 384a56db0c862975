"""Which other hosts a trial tries: all, or those that were named. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import UsageProblem
from weave_cli.reports import LocalConnection, Report

#: Connections in these states lead nowhere, or not yet.
_DOWN: Final = ("failed", "retrying", "connecting", "waiting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """names: peers to ask, by name; down: addresses of hosts that we are to be connected to, and are not."""

    names: frozenset[str]
    down: frozenset[str]


def choose_hosts(report: Report, wanted: Sequence[str]) -> Hosts:
    """wanted: nicknames, peer names, or addresses of connections; none: all hosts of the mesh.

    Whoever names this host names nobody else. Raises UsageProblem for words that mean no host.
    """
    router = report["Router"]
    others = {peer["Name"]: peer["NickName"] for peer in router["Peers"] if peer["Name"] != router["Name"]}
    down = frozenset(one["Address"] for one in router["Connections"] if is_down(one))
    if not wanted:
        return Hosts(names=frozenset(others), down=down)
    own = {router["Name"], router["NickName"]}
    names, addresses, unknown = set[str](), set[str](), []
    for word in wanted:
        named = {name for name, nickname in others.items() if word.lower() == name or word == nickname}
        dialled = {address for address in down if word in (address, _without_port(address))}
        named |= {
            remote["Name"]
            for peer in router["Peers"]
            if peer["Name"] == router["Name"]
            for remote in peer["Connections"] or ()
            if word in (remote["Address"], _without_port(remote["Address"]))
        }
        if not named and not dialled and word not in own:
            unknown.append(word)
        names |= named
        addresses |= dialled
    if unknown:
        raise UsageProblem(
            f"the mesh has no host {', '.join(unknown)}",
            hint=f"It has: {', '.join(_name_all(others, down)) or 'this host only'}.",
        )
    return Hosts(names=frozenset(names), down=frozenset(addresses))


def is_down(connection: LocalConnection) -> bool:
    """Does nobody answer at its other end?"""
    return connection["State"] in _DOWN


def _name_all(others: dict[str, str], down: frozenset[str]) -> Iterator[str]:
    yield from sorted(nickname or name for name, nickname in others.items())
    yield from sorted(down)


def _without_port(address: str) -> str:
    return address.rpartition(":")[0] or address
