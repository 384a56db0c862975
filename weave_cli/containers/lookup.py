"""What Docker knows of containers, as values: ours by name, and the running ones with their pids.

Knows no namespace and no interface: it hands out pids, others step into them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from docker.errors import NotFound

from weave_cli.containers.client import Docker, translated
from weave_cli.errors import DockerProblem
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
    hostname: str
    domainname: str
    hosts_path: str
    """The file on the host that the container sees as /etc/hosts; empty when there is none."""

    @property
    def fqdn(self) -> str | None:
        """Its name for weaveDNS; None when its host name has nothing behind the first dot."""
        whole = f"{self.hostname}.{self.domainname}".rstrip(".")
        return whole if whole.partition(".")[2] else None

    @property
    def has_own_network(self) -> bool:
        """False when it shares the host's or another container's network namespace."""
        return self.network_mode != "host" and not self.network_mode.startswith("container:")


class NotRunning(DockerProblem):
    """The container is there, and has no processes."""

    exit_status = 2


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
    return _running(facts)


def get_running(client: Docker, name_or_id: str) -> RunningContainer:
    """The same; raises DockerProblem when there is none, and NotRunning when it does not run."""
    facts = _find_facts(client, name_or_id)
    if facts is None:
        raise _no_such(name_or_id)
    state = facts["State"]
    if state.get("Restarting"):
        raise NotRunning(f"{name_or_id} container is restarting.", hint=f"See 'docker logs {name_or_id}'.")
    if not state.get("Pid"):
        raise NotRunning(
            f"{name_or_id} container is not running.", hint=f"Start it with 'docker start {name_or_id}'."
        )
    return _running(facts)


def get_container_id(client: Docker, name_or_id: str) -> str:
    """The full id, running or not; raises DockerProblem when there is none."""
    facts = _find_facts(client, name_or_id)
    if facts is None:
        raise _no_such(name_or_id)
    return str(facts["Id"])


def read_last_log_lines(client: Docker, container_id: str, *, count: int) -> Sequence[str]:
    """The newest lines of a container's log, oldest first; empty when it is gone."""
    with translated(f"read the log of container {container_id}"):
        try:
            text: bytes = client.api.logs(container_id, tail=count)
        except NotFound:
            return ()
    return text.decode("utf-8", "replace").splitlines()


def _no_such(name: str) -> DockerProblem:
    return DockerProblem(f"Error: No such container: {name}", hint="'docker ps -a' lists them.")


def _running(facts: dict[str, Any]) -> RunningContainer:
    config = facts["Config"]
    return RunningContainer(
        id=facts["Id"],
        name=facts["Name"].removeprefix("/"),
        pid=int(facts["State"]["Pid"]),
        network_mode=facts["HostConfig"].get("NetworkMode") or "default",
        hostname=config.get("Hostname") or "",
        domainname=config.get("Domainname") or "",
        hosts_path=facts.get("HostsPath") or "",
    )


def _find_facts(client: Docker, name_or_id: str) -> dict[str, Any] | None:
    with translated(f"inspect container {name_or_id}"):
        try:
            facts: dict[str, Any] = client.api.inspect_container(name_or_id)
        except NotFound:
            return None
        return facts
