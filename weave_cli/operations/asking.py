"""One call to the router; when nobody answers, say why, in the words that scripts look for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem, RouterProblem, WeaveError
from weave_cli.operations.service_units import ROUTER_UNIT
from weave_cli.operations.services import are_installed, find_service
from weave_cli.settings import Settings

Answer = TypeVar("Answer")

#: How long a router may take from its start until it listens: a second, on a host with much to do several.
_START_S: Final = 5.0
_POLL_S: Final = 0.1


class RouterStopped(RouterProblem):
    """The router's container is there, and does not run."""

    code = Code.ROUTER_STOPPED


def ask_router(call: Callable[[RouterClient], Answer], settings: Settings) -> Answer:
    """The answer to `call`; raises RouterProblem naming the state of the router's container.

    A router that runs, and does not listen yet, has just been started again: it is waited for.
    """
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return call(RouterClient(settings.http_address))
        except RouterUnreachable as problem:
            if time.monotonic() > deadline or not _is_starting(problem, settings):
                raise explain_unreachable(problem, settings) from problem
        time.sleep(_POLL_S)


def _is_starting(problem: RouterUnreachable, settings: Settings) -> bool:
    """Does it run already, while nobody listens at its address?"""
    if not isinstance(problem.__cause__, ConnectionRefusedError):
        return False
    try:
        return not is_router_down(settings)
    except DockerProblem:
        return False


def is_router_down(settings: Settings) -> bool:
    """Is there no router that runs? One that runs, and does not answer, is a different matter."""
    from weave_cli.containers import quick

    found = find_service(settings.router_container)
    if found is None:
        found = quick.find_our_container(settings, settings.router_container)
    return found is None or not found.is_running


def explain_unreachable(problem: RouterUnreachable, settings: Settings) -> WeaveError:
    """Why the router does not answer: absent, stopped, restarting (specification cli, section 3)."""
    from weave_cli.containers import quick

    if are_installed():
        return RouterStopped(
            f"{ROUTER_UNIT} is not running, or not ready yet.",
            hint=f"See 'systemctl status {ROUTER_UNIT}'; if it was stopped, start it with 'weave launch'.",
        )
    try:
        found = quick.find_our_container(settings, settings.router_container)
    except DockerProblem:
        return problem
    name = f"{settings.router_container} container"
    if found is None:
        return RouterProblem(
            f"{name} is not present. Have you launched it?",
            hint="Start it with 'weave launch'.",
            code=Code.ROUTER_ABSENT,
        )
    if found.status == "restarting":
        return RouterProblem(
            f"{name} is restarting.",
            hint=f"See 'docker logs {settings.router_container}'.",
            code=Code.ROUTER_RESTARTING,
        )
    if not found.is_running:
        return RouterStopped(f"{name} is not running.", hint="Start it with 'weave launch'.")
    return problem
