"""Containers that stay down because nobody answered for our drivers when Docker started them.

Docker starts containers with a restart policy at its own start, in any order and only once: what is on a
network whose plugin comes a second later fails, and is left alone. Docker keeps the reason, and clears it
with the next start that succeeds; so a container that somebody stopped has none. Knows no plugin.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from docker.errors import NotFound

from weave_cli.containers.client import Docker, translated
from weave_cli.containers.facts import Facts
from weave_cli.containers.lookup import find_facts
from weave_cli.names import (
    ABSENCE_FILE,
    GLOBAL_DRIVER,
    MESH_DRIVER,
    PLUGIN_SOCKET_DIRECTORY,
    SWARM_DRIVER,
    SWARM_SOCKET,
)

_DRIVERS: Final = "|".join((MESH_DRIVER, GLOBAL_DRIVER, SWARM_DRIVER))
#: Where Docker looks for them: a managed plugin's is in a directory that is called after its id.
_SOCKETS: Final = rf"(({MESH_DRIVER}|{GLOBAL_DRIVER})\.sock|[0-9a-f]{{64}}/{re.escape(SWARM_SOCKET)})"
_CALL: Final = r"\b(NetworkDriver|IpamDriver)\.\w+: "
_NO_ADDRESS: Final = r"(no address\b[^:]*: )?"
#: What Docker says of a start that failed for want of the plugin, or of the router behind it. Whole words of
#: ours only: the container may be on networks of other plugins as well, which have their own reasons.
_REASONS: Final = re.compile(
    "|".join(
        (
            rf"{re.escape(ABSENCE_FILE)}(?![\w-])",
            rf"(?<!volume plugin {MESH_DRIVER}: )(?<!volume plugin {GLOBAL_DRIVER}: )"
            rf'plugin "({_DRIVERS})" not found',
            rf"dial unix {PLUGIN_SOCKET_DIRECTORY}/{_SOCKETS}: connect: ",
            rf'Post "?http://{quote(PLUGIN_SOCKET_DIRECTORY, safe="")}%2F{_SOCKETS.replace("/", "%2F")}/',
            rf"{_CALL}the weave plugin was not done with it within ",
            rf"{_CALL}{_NO_ADDRESS}weave container is not present\. Have you launched it\?",
            rf"{_CALL}{_NO_ADDRESS}the router did not answer (GET|POST|PUT|DELETE) /",
            rf"{_CALL}\S+ bridge not present\. Did you launch weave\?",
        )
    )
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
    return state["Status"] == "exited" and policy != "no" and _REASONS.search(error) is not None


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
