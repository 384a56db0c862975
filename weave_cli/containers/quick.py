"""Docker asked without its SDK, whose import alone takes longer than a command that only asks may last.

Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from weave_cli.containers.engine_http import call
from weave_cli.containers.facts import (
    OurContainer,
    RunningContainer,
    read_our_container,
    read_running,
    require_running,
)
from weave_cli.containers.managed_spec import ManagedPlugin, read_managed
from weave_cli.errors import DockerProblem
from weave_cli.settings import Settings


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
    for row in list_rows(settings, "/containers/json"):
        found = find_running(settings, row["Id"])
        if found is not None:
            yield found


def list_rows(settings: Settings, path: str) -> list[dict[str, Any]]:
    """What Docker lists at /containers/json or /networks, as it is."""
    rows: list[dict[str, Any]] = _checked(*call(settings, "GET", path))
    return rows


def has_image(settings: Settings, name: str) -> bool:
    """Does Docker have an image of that name?"""
    status, answer = call(settings, "GET", f"/images/{quote(name, safe=':')}/json")
    return status != 404 and _checked(status, answer) is not None


def find_managed(settings: Settings, name: str) -> ManagedPlugin | None:
    """The managed plugin called `name`, or None."""
    status, answer = call(settings, "GET", f"/plugins/{quote(name, safe=':')}/json")
    return None if status == 404 else read_managed(_checked(status, answer))


def _find_facts(settings: Settings, name_or_id: str) -> dict[str, Any] | None:
    if not name_or_id:
        return None  # else Docker would list them all
    status, answer = call(settings, "GET", f"/containers/{quote(name_or_id, safe='')}/json")
    if status == 404:
        return None
    facts: dict[str, Any] = _checked(status, answer)
    return facts


def _checked(status: int, answer: Any) -> Any:
    if status != 200:
        raise DockerProblem(f"Docker refuses to tell what it has: {answer.get('message', status)}")
    return answer
