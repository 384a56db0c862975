"""What Docker knows of containers, as values: ours by name, and the running ones with their pids.

Knows no namespace and no interface: it hands out pids, others step into them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from docker.errors import NotFound

from weave_cli.containers.client import Docker, translated
from weave_cli.names import LABEL

SHORT_ID_LENGTH: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class OurContainer:
    """A container that has a name of ours, whether we made it or somebody else did."""

    id: str
    name: str
    status: str
    """Docker's word: created, running, paused, restarting, removing, exited, dead."""
    image: str
    """As it was asked for at creation."""
    version: str | None
    """The version of weave that made it; None: it is not ours."""
    command: tuple[str, ...]
    restart_count: int

    @property
    def is_ours(self) -> bool:
        return self.version is not None

    @property
    def is_running(self) -> bool:
        return self.status == "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningContainer:
    """A container with processes; `pid` is that of its first one."""

    id: str
    name: str
    pid: int
    network_mode: str

    @property
    def has_own_network(self) -> bool:
        """False when it shares the host's or another container's network namespace."""
        return self.network_mode != "host" and not self.network_mode.startswith("container:")


def find_our_container(client: Docker, name: str) -> OurContainer | None:
    """The container called `name`, or None."""
    facts = _find_facts(client, name)
    if facts is None:
        return None
    config = facts["Config"]
    labels = config.get("Labels") or {}
    return OurContainer(
        id=facts["Id"],
        name=facts["Name"].removeprefix("/"),
        status=facts["State"]["Status"],
        image=config.get("Image") or facts["Image"],
        version=labels.get(LABEL),
        command=tuple(config.get("Entrypoint") or ()) + tuple(config.get("Cmd") or ()),
        restart_count=int(facts.get("RestartCount") or 0),
    )


def list_running(client: Docker) -> Iterator[RunningContainer]:
    """All running containers, newest first; those that end while we look are left out."""
    with translated("list containers"):
        rows: list[dict[str, Any]] = client.api.containers()
    for row in rows:
        found = find_running(client, row["Id"])
        if found is not None:
            yield found


def find_running(client: Docker, name_or_id: str) -> RunningContainer | None:
    """The container with this name or (beginning of an) id; None when unknown or not running."""
    facts = _find_facts(client, name_or_id)
    if facts is None or not facts["State"].get("Pid"):
        return None
    return RunningContainer(
        id=facts["Id"],
        name=facts["Name"].removeprefix("/"),
        pid=int(facts["State"]["Pid"]),
        network_mode=facts["HostConfig"].get("NetworkMode") or "default",
    )


def read_last_log_lines(client: Docker, container_id: str, *, count: int) -> Sequence[str]:
    """The newest lines of a container's log, oldest first; empty when it is gone."""
    with translated(f"read the log of container {container_id}"):
        try:
            text: bytes = client.api.logs(container_id, tail=count)
        except NotFound:
            return ()
    return text.decode("utf-8", "replace").splitlines()


def _find_facts(client: Docker, name_or_id: str) -> dict[str, Any] | None:
    with translated(f"inspect container {name_or_id}"):
        try:
            facts: dict[str, Any] = client.api.inspect_container(name_or_id)
        except NotFound:
            return None
        return facts
