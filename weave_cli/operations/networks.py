"""Networks that are the same on all hosts: asked for at the router, and waited for at this host's Docker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from weave_cli.api.sync import SharedNetwork
from weave_cli.containers.attachments import list_driver_networks
from weave_cli.containers.client import Docker
from weave_cli.containers.engine import read_engine_facts
from weave_cli.errors import DockerProblem, RouterProblem, UsageProblem
from weave_cli.interrupts import FINISHED, unbroken
from weave_cli.names import PLUGIN_CONTAINER, SHARED_LABEL
from weave_cli.operations.asking import ask_router
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings

_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.2
#: Seconds in which hosts find that the last container of a network has gone.
_PATIENCE_S: Final = 8.0


def create_network(
    client: Docker,
    settings: Settings,
    name: str,
    *,
    subnet: str | None,
    options: Sequence[str],
    is_internal: bool,
    reporter: Reporter,
) -> SharedNetwork:
    """Let all hosts have it; returns when this host's Docker has. Raises what is in the way."""
    if read_engine_facts(client).has_cluster_store:
        raise UsageProblem(
            "this Docker engine has a cluster store, and shares networks between hosts by itself",
            hint="Use 'docker network create --driver weave'.",
        )
    for option in options:
        if "=" not in option:
            raise UsageProblem(f"an option without value: {option}", hint="Write it as KEY=VALUE.")
    if any(network.name == name for network in list_driver_networks(client)):
        raise UsageProblem(f"Docker on this host has a network {name} already")
    reporter.progress(f"waiting for network {name}")
    with unbroken(FINISHED):  # other hosts may have it at once
        ask_router(lambda api: api.create_network(name, subnet, options, is_internal=is_internal), settings)
        _wait_until(
            lambda: _has_shared(client, name),
            f"network {name} is made on all hosts, but Docker on this one has not made it yet",
        )
    return next(one for one in list_networks(settings) if one.name == name)


def list_networks(settings: Settings) -> list[SharedNetwork]:
    """All of them, by name."""
    return ask_router(lambda api: api.list_networks(), settings)


def remove_network(client: Docker, settings: Settings, name: str, reporter: Reporter) -> None:
    """Let no host have it; returns when this host's Docker has not.

    Raises RouterProblem naming the hosts on which containers are on it.
    """
    reporter.progress(f"removing network {name}")
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with unbroken(FINISHED):
                ask_router(lambda api: api.remove_network(name), settings)
                _wait_until(
                    lambda: not _has_shared(client, name),
                    f"network {name} is removed everywhere, but Docker on this host has it still",
                )
            return
        except RouterProblem as problem:
            # A container that has just been removed is still counted for a moment.
            if " has containers on " not in problem.message or time.monotonic() > deadline:
                raise
        time.sleep(_POLL_S)


def _has_shared(client: Docker, name: str) -> bool:
    """Does Docker on this host have the network that all hosts have?"""
    return any(network.labels.get(SHARED_LABEL) == name for network in list_driver_networks(client))


def _wait_until(is_done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while not is_done():
        if time.monotonic() > deadline:
            raise DockerProblem(otherwise, hint=f"'docker logs {PLUGIN_CONTAINER}' says why.")
        time.sleep(_POLL_S)
