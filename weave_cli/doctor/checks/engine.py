"""Docker itself: there, new enough, with a bridge for weaveDNS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from weave_cli.doctor.findings import Finding, failure, note, ok


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerFacts:
    """problem and hint: why Docker does not answer, or is too old; empty when it is well."""

    problem: str = ""
    hint: str = ""
    version: str = ""
    api_version: str = ""
    bridge: str = "docker0"
    bridge_address: str | None = None
    wants_dns: bool = True
    """False when the router was launched without weaveDNS."""


def check_docker(facts: DockerFacts) -> Iterator[Finding]:
    if facts.problem:
        yield failure(
            "docker.answers",
            facts.problem,
            why="without Docker no container runs, ours among them, and nothing can be launched or stopped",
            mend=facts.hint or "systemctl start docker",
        )
    else:
        yield ok("docker.answers", f"Docker Engine {facts.version}, API {facts.api_version}")
    if facts.bridge_address is not None:
        yield ok("docker.bridge", f"{facts.bridge} has the address {facts.bridge_address}")
    elif facts.wants_dns:
        yield failure(
            "docker.bridge",
            f"the bridge {facts.bridge} has no address",
            why="weaveDNS listens there, and containers ask it there",
            mend="export DOCKER_BRIDGE=<Docker's bridge>, or weave launch --no-dns",
        )
    else:
        yield note("docker.bridge", f"the bridge {facts.bridge} has no address; weaveDNS is off")
