"""Docker asked without its SDK, whose import alone takes longer than a command that only asks may last.

Reads only. Where Docker is not behind a socket of this host, the SDK asks after all.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from weave_cli.containers.advice import advise, find_cause
from weave_cli.containers.facts import (
    OurContainer,
    RunningContainer,
    read_our_container,
    read_running,
    require_running,
)
from weave_cli.errors import DockerProblem
from weave_cli.settings import Settings

#: A call that touches a dead plugin takes Docker as long as this (specification plugin, section 8.1).
_TIMEOUT_S: Final = 60.0


def find_our_container(settings: Settings, name: str) -> OurContainer | None:
    """The container called `name`, or None."""
    facts = _find_facts(settings, name)
    return None if facts is None else read_our_container(facts)


def find_running(settings: Settings, name_or_id: str) -> RunningContainer | None:
    """The container with this name or (beginning of an) id; None when unknown or not running."""
    return read_running(_find_facts(settings, name_or_id))


def get_running(settings: Settings, name_or_id: str) -> RunningContainer:
    """The same; raises DockerProblem when there is none, and NotRunning when it does not run."""
    return require_running(_find_facts(settings, name_or_id), name_or_id)


def list_running(settings: Settings) -> Iterator[RunningContainer]:
    """All running containers, newest first; those that end while we look are left out."""
    if not _is_on_socket(settings):
        from weave_cli.containers import lookup
        from weave_cli.containers.client import open_docker

        yield from lookup.list_running(open_docker(settings))
        return
    for row in _checked(*ask(settings, "/containers/json")):
        found = find_running(settings, row["Id"])
        if found is not None:
            yield found


def ask(settings: Settings, path: str) -> tuple[int, Any]:
    """Status and JSON of Docker's answer; raises DockerProblem when there is none.

    Without a version in its path, a question gets the engine's own version of the answer.
    """
    where = f"unix://{settings.docker_socket}"
    connection = http.client.HTTPConnection("docker", timeout=_TIMEOUT_S)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(_TIMEOUT_S)
        try:
            opened.connect(settings.docker_socket)
            connection.sock = opened
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise DockerProblem(
                f"cannot reach Docker at {where}: {find_cause(problem)}", hint=advise(problem)
            ) from problem


def _find_facts(settings: Settings, name_or_id: str) -> dict[str, Any] | None:
    if not _is_on_socket(settings):
        from weave_cli.containers import lookup
        from weave_cli.containers.client import open_docker

        return lookup.find_facts(open_docker(settings), name_or_id)
    status, answer = ask(settings, f"/containers/{quote(name_or_id, safe='')}/json")
    if status == 404:
        return None
    facts: dict[str, Any] = _checked(status, answer)
    return facts


def _checked(status: int, answer: Any) -> Any:
    if status != 200:
        raise DockerProblem(f"Docker refuses to tell of containers: {answer.get('message', status)}")
    return answer


def _is_on_socket(settings: Settings) -> bool:
    return settings.docker_host is None or settings.docker_host.startswith("unix://")
