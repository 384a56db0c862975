"""The plugin's last seconds when Docker ends: it sees the other containers off. Knows no socket of ours.

Docker stops all containers at once, ours among them, and has something to say for each of the others: Leave,
DeleteEndpoint, ReleaseAddress. Without us it would look for us for 15 s and more, and its endpoints and our
addresses would stay. Its API is closed by then, which tells this from a `docker stop` of the plugin alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from weave_cli.daemon_thread import in_thread
from weave_cli.errors import DockerProblem, StoreProblem
from weave_cli.names import HOST_PROCESSES
from weave_cli.plugin.journal import Journal
from weave_cli.settings import Settings

log = logging.getLogger(__name__)

#: Docker kills a container that has not ended after ten seconds, and we have to end as well.
_LIMIT_S: Final = 8.0
_POLL_S: Final = 0.1
#: The last address is given back right after the last endpoint is deleted.
_LAST_WORDS_S: Final = 0.5
_ANSWER_S: Final = 1.0
_DOCKER: Final = "dockerd"


async def is_docker_there(settings: Settings) -> bool:
    """Does Docker take a new question? One that ends does not."""
    return await in_thread(lambda: _ask(settings), "docker")


async def has_docker_started(within_s: float, *, processes: str = HOST_PROCESSES) -> bool:
    """Is there a Docker that started so recently? False where the host's processes are not shown."""
    return await in_thread(lambda: any(age_s <= within_s for age_s in _read_ages(processes)), "docker")


def _read_ages(processes: str) -> Iterator[float]:
    """Seconds since the start of each dockerd."""
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    for path in Path(processes).glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            # proc(5): the name in brackets is the second word, the start the twenty-second.
            name, _, rest = (path / "stat").read_text().partition("(")[2].rpartition(")")
            if name == _DOCKER:
                yield now_s - int(rest.split()[19]) / ticks_per_s


async def see_off(
    journal: Journal, is_ending: Callable[[], Awaitable[bool]], *, limit_s: float = _LIMIT_S
) -> None:
    """Return when there is nobody left to see off, or no time; at once unless Docker is ending."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + limit_s
    try:
        left = journal.list_endpoints(is_gone=False)
        if not left or not await is_ending():
            return
        log.info("Docker ends: seeing %d containers off", len(left))
        while left and loop.time() < ends_at:
            await asyncio.sleep(_POLL_S)
            left = journal.list_endpoints(is_gone=False)
        await asyncio.sleep(_LAST_WORDS_S)
        if left:
            log.warning("%d containers are still there", len(left))
    except StoreProblem as problem:
        log.error("%s", problem)


def _ask(settings: Settings) -> bool:
    from weave_cli.containers.engine_http import call

    try:
        call(settings, "GET", "/version", timeout_s=_ANSWER_S)
    except DockerProblem:
        return False
    return True
