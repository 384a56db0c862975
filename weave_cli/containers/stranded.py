"""Containers that stay down because nobody answered for our drivers when Docker started them.

Docker starts containers with a restart policy at its own start, in any order and only once: what is on a
network whose plugin comes a second later fails, and is left alone. Docker keeps the reason, and clears it
with the next start that succeeds; so a container that somebody stopped has none. Knows no plugin.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from docker.errors import NotFound

from weave_cli.containers.client import Docker, translated
from weave_cli.containers.facts import Facts
from weave_cli.containers.lookup import find_facts
from weave_cli.names import ABSENCE_FILE, GLOBAL_DRIVER, MESH_DRIVER

#: In what Docker says of a start that failed for want of the plugin, or of the router behind it.
_REASONS: Final = (
    ABSENCE_FILE,
    *(f'plugin "{driver}" not found' for driver in (MESH_DRIVER, GLOBAL_DRIVER)),
    *(f"{driver}.sock: connect: " for driver in (MESH_DRIVER, GLOBAL_DRIVER)),
    *(f'Post "http://%2Frun%2Fdocker%2Fplugins%2F{driver}.sock' for driver in (MESH_DRIVER, GLOBAL_DRIVER)),
    "the weave plugin was not done with it",
    "weave container is not present",
    "bridge not present. Did you launch weave?",
    "the router did not answer",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranded:
    """A container that Docker should run, and does not."""

    id: str
    name: str
    reason: str


def list_stranded(client: Docker, network_ids: Collection[str]) -> Iterator[Stranded]:
    """Those on one of the networks."""
    if not network_ids:
        return
    filters = {"status": ["exited"], "network": sorted(network_ids)}
    with translated("list containers that have ended"):
        rows: list[dict[str, Any]] = client.api.containers(all=True, filters=filters)
    for row in rows:
        facts = find_facts(client, row["Id"])
        if facts is not None and is_stranded(facts):
            yield Stranded(
                id=facts["Id"], name=facts["Name"].removeprefix("/"), reason=str(facts["State"]["Error"])
            )


def is_stranded(facts: Facts) -> bool:
    """Does Docker restart it by itself, but could not for want of the plugin?"""
    state = facts["State"]
    policy = ((facts.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") or "no"
    error = state.get("Error") or ""
    return state["Status"] == "exited" and policy != "no" and any(reason in error for reason in _REASONS)


def start_stranded(client: Docker, stranded: Stranded) -> bool:
    """Start it, unless it runs, is gone or has another reason by now; True when we did.

    Raises DockerProblem.
    """
    facts = find_facts(client, stranded.id)
    if facts is None or not is_stranded(facts):
        return False
    with translated(f"start container {stranded.name}"):
        try:
            client.api.start(stranded.id)
        except NotFound:
            return False
    return True
