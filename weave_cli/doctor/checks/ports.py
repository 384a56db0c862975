"""Ports that the router needs: free before the launch, its own after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from weave_cli.doctor.findings import Finding, failure, ok


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFacts:
    """owner: name and id of the process that listens, None for nobody. instead: how to do without it."""

    protocol: str
    port: int
    address: str | None
    purpose: str
    instead: str
    owner: str | None
    owner_pid: int | None = None
    is_ours: bool = False

    @property
    def place(self) -> str:
        where = "" if self.address is None else f"{self.address}:"
        return f"{where}{self.port}/{self.protocol}"


def check_ports(ports: Iterable[PortFacts], *, router_runs: bool) -> Iterator[Finding]:
    for one in ports:
        code = f"ports.{one.protocol}-{one.purpose.split()[-1].lower()}"
        if one.owner is None and not router_runs:
            yield ok(code, f"{one.place} ({one.purpose}) is free")
        elif one.owner is None:
            yield failure(
                code,
                f"nobody listens on {one.place} ({one.purpose}) although the router runs",
                why=_why(one),
                mend="docker logs weave; docker restart weave",
            )
        elif one.is_ours:
            yield ok(code, f"{one.place} ({one.purpose}) is the router's")
        else:
            stop = "Stop that program" if one.owner_pid is None else f"kill {one.owner_pid}"
            restart = "; then: docker restart weave" if router_runs else ""
            yield failure(
                code,
                f"{one.place} ({one.purpose}) is taken by {one.owner}",
                why=_why(one),
                mend=f"{stop}{restart}. Or {one.instead}.",
            )


def _why(one: PortFacts) -> str:
    return f"{one.purpose} needs it"
