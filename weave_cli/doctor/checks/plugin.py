"""The plugin as Docker sees it: sockets that somebody answers on, networks that somebody serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from weave_cli.doctor.findings import Finding, failure, ok, warning

SocketState = Literal["answers", "silent", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketFacts:
    """A socket in Docker's directory of plugins. silent: somebody accepts, and answers nothing."""

    path: str
    state: SocketState
    is_ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFacts:
    """networks: of our drivers, as Docker lists them; stale: their endpoints without a container."""

    sockets: tuple[SocketFacts, ...]
    runs: bool
    networks: tuple[str, ...] = ()
    stale: tuple[tuple[str, str], ...] = ()


def check_plugin(facts: PluginFacts) -> Iterator[Finding]:
    ours = [one for one in facts.sockets if one.is_ours]
    for one in facts.sockets:
        yield _check_socket(one, facts)
    if facts.runs and not ours:
        yield failure(
            "plugin.socket",
            "the plugin runs, but its socket is gone",
            why="Docker cannot call it: docker run on its networks fails after 15 s",
            mend="docker restart weaveplugin",
        )
    if facts.networks and not facts.runs:
        yield failure(
            "plugin.networks",
            f"Docker has networks of the plugin ({', '.join(facts.networks)}), and it does not run",
            why="every Docker call that touches them takes 15 s and more, and engine start too",
            mend="weave launch-plugin; or, to do without: weave stop",
        )
    elif facts.networks:
        yield ok("plugin.networks", f"networks of the plugin: {', '.join(facts.networks)}")
    for network, endpoint in facts.stale:
        yield warning(
            "plugin.endpoint",
            f"network {network} has an endpoint without a container: {endpoint}",
            why="its name and address cannot be used again, and the network cannot be removed",
            mend=f"docker network disconnect -f {network} {endpoint}",
        )


def _check_socket(one: SocketFacts, facts: PluginFacts) -> Finding:
    if one.state == "answers":
        return ok("plugin.socket", f"{one.path} answers")
    if not one.is_ours:
        return warning(
            "plugin.foreign-socket",
            f"nobody answers on {one.path}, a plugin that is not ours",
            why="docker volume ls and others ask every plugin, and wait 15 s for this one",
            mend=f"Start that plugin, or: rm {one.path}",
        )
    if one.state == "silent":
        return failure(
            "plugin.socket",
            f"somebody accepts on {one.path}, and does not answer",
            why="docker run and docker inspect wait for it",
            mend="docker restart weaveplugin",
        )
    return failure(
        "plugin.socket",
        f"nobody listens on {one.path}",
        why="every Docker call that touches the plugin takes 15 s and more, and engine start too",
        mend="docker restart weaveplugin" if facts.runs else "weave launch-plugin",
    )
