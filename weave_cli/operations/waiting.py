"""Wait until a container of ours serves, or say why it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from weave_cli.containers import lookup
from weave_cli.containers.client import Docker
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem
from weave_cli.operations.reporter import Reporter

_POLL_S: Final = 0.1
_LOOK_EVERY: Final = 5  # polls; asking Docker for the state costs more than asking the router
_LIMIT_S: Final = 120.0
_LOG_LINES: Final = 10


def wait_until(
    is_ready: Callable[[], bool],
    client: Docker,
    container_id: str,
    name: str,
    reporter: Reporter,
    *,
    limit_s: float = _LIMIT_S,
) -> None:
    """Returns once `is_ready`; raises DockerProblem with the last log lines if the container died before.

    A container that died is restarted by Docker's policy for ever: one restart is failure enough. Removing
    it, and so ending the loop, is the caller's part.
    """
    reporter.progress(f"waiting for {name}")
    started = time.monotonic()
    rounds = 0
    while not is_ready():
        if rounds % _LOOK_EVERY == 0:
            _check_alive(client, container_id, name)
        if time.monotonic() - started > limit_s:
            words = _last_words(client, container_id)
            raise DockerProblem(
                f"{name} was not ready after {limit_s:.0f} s; the last it said:\n{words}",
                hint="It was removed again; --log-level=debug makes it say more.",
                code=Code.START_FAILED,
            )
        time.sleep(_POLL_S)
        rounds += 1


def _check_alive(client: Docker, container_id: str, name: str) -> None:
    found = lookup.find_our_container(client, container_id)
    if found is None:
        raise DockerProblem(
            f"{name} was removed while it started",
            hint="Somebody else did that; try again.",
            code=Code.START_FAILED,
        )
    if not found.is_running or found.restart_count > 0:
        raise DockerProblem(
            f"{name} died while it started; the last it said:\n{_last_words(client, container_id)}",
            hint="It was removed again, so that it does not restart for ever.",
            code=Code.START_FAILED,
        )


def _last_words(client: Docker, container_id: str) -> str:
    lines = lookup.read_last_log_lines(client, container_id, count=_LOG_LINES)
    return "\n".join(f"  {line}" for line in lines) or "  (nothing)"
