"""Containers as values, read from what Docker answers. Pure: whoever asks Docker hands its answers over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from weave_cli.error_codes import Code, ExitStatus
from weave_cli.errors import DockerProblem
from weave_cli.names import LABEL

SHORT_ID_LENGTH: Final = 12

#: What Docker answers when it is asked for one container.
Facts = Mapping[str, Any]


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
    image_id: str = ""
    """Of the image that it was made from, whatever has its name now."""
    restarts: bool = True
    """Does it come back after a crash and at a boot?"""

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
        return not self.is_on_host and not self.network_mode.startswith("container:")

    @property
    def is_on_host(self) -> bool:
        """Its network is that of the host."""
        return self.network_mode == "host"


class NotRunning(DockerProblem):
    """The container is there, and has no processes."""

    exit_status = ExitStatus.NOT_RUNNING
    code = Code.CONTAINER_NOT_RUNNING


def read_our_container(facts: Facts) -> OurContainer:
    """A container that has a name of ours."""
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
        image_id=str(facts.get("Image") or ""),
        restarts=((facts.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name") not in ("no", ""),
    )


def read_running(facts: Facts | None) -> RunningContainer | None:
    """None when there is no such container, or it does not run."""
    if facts is None or not facts["State"].get("Pid"):
        return None
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


def require_running(facts: Facts | None, name: str) -> RunningContainer:
    """Raises DockerProblem when there is no such container, and NotRunning when it does not run."""
    if facts is None:
        raise no_such_container(name)
    found = read_running(facts)
    if facts["State"].get("Restarting"):
        raise NotRunning(f"{name} container is restarting.", hint=f"See 'docker logs {name}'.")
    if found is None:
        raise NotRunning(f"{name} container is not running.", hint=f"Start it with 'docker start {name}'.")
    return found


def no_such_container(name: str) -> DockerProblem:
    return DockerProblem(
        f"Error: No such container: {name}", hint="'docker ps -a' lists them.", code=Code.CONTAINER_UNKNOWN
    )
