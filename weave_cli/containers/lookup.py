"""What Docker knows of containers, as values: ours by name, and the running ones with their pids.

Knows no namespace and no interface: it hands out pids, others step into them. Commands that only ask do not
come here, but to `quick`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from docker.errors import ImageNotFound, NotFound

from weave_cli.containers.client import Docker, translated
from weave_cli.containers.facts import (
    OurContainer,
    RunningContainer,
    no_such_container,
    read_our_container,
    read_running,
    require_running,
)


def find_our_container(client: Docker, name: str) -> OurContainer | None:
    """The container called `name`, or None."""
    facts = find_facts(client, name)
    return None if facts is None else read_our_container(facts)


def list_running(client: Docker) -> Iterator[RunningContainer]:
    """All running containers, newest first; those that end while we look are left out."""
    with translated("list containers"):
        rows: list[dict[str, Any]] = client.api.containers()
    for row in rows:
        found = find_running(client, row["Id"])
        if found is not None:
            yield found


def list_ids(client: Docker) -> frozenset[str]:
    """The full ids of all containers, running or not."""
    with translated("list containers"):
        rows: list[dict[str, Any]] = client.api.containers(all=True)
    return frozenset(row["Id"] for row in rows)


def find_running(client: Docker, name_or_id: str) -> RunningContainer | None:
    """The container with this name or (beginning of an) id; None when unknown or not running."""
    return read_running(find_facts(client, name_or_id))


def get_running(client: Docker, name_or_id: str) -> RunningContainer:
    """The same; raises DockerProblem when there is none, and NotRunning when it does not run."""
    return require_running(find_facts(client, name_or_id), name_or_id)


def get_container_id(client: Docker, name_or_id: str) -> str:
    """The full id, running or not; raises DockerProblem when there is none."""
    facts = find_facts(client, name_or_id)
    if facts is None:
        raise no_such_container(name_or_id)
    return str(facts["Id"])


def read_last_log_lines(client: Docker, container_id: str, *, count: int) -> Sequence[str]:
    """The newest lines of a container's log, oldest first; empty when it is gone."""
    with translated(f"read the log of container {container_id}"):
        try:
            text: bytes = client.api.logs(container_id, tail=count)
        except NotFound:
            return ()
    return text.decode("utf-8", "replace").splitlines()


def find_image_id(client: Docker, name: str) -> str | None:
    """The id of the image that has this name now; None when there is none."""
    with translated(f"inspect image {name}"):
        try:
            return str(client.images.get(name).id)
        except ImageNotFound:
            return None


def read_image_environment(client: Docker, name: str) -> tuple[str, ...]:
    """The variables that containers of an image get, as `NAME=value`; raises DockerProblem without image."""
    with translated(f"inspect image {name}"):
        facts: dict[str, Any] = client.images.get(name).attrs
    return tuple((facts.get("Config") or {}).get("Env") or ())


def find_facts(client: Docker, name_or_id: str) -> dict[str, Any] | None:
    """All that Docker tells of a container; None when there is none of that name or id."""
    if not name_or_id:
        return None
    with translated(f"inspect container {name_or_id}"):
        try:
            facts: dict[str, Any] = client.api.inspect_container(name_or_id)
        except NotFound:
            return None
        return facts
