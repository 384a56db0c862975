"""Starts again what stayed down because Docker started it before us. Nothing that anybody stopped.

Looks after each return of Docker or of the router, and a few times more: Docker goes on failing at containers
for a while, and what waits for what is up to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from weave_cli.containers.door import DockerDoor
from weave_cli.errors import DockerProblem
from weave_cli.plugin.pulse import RouterPulse

if TYPE_CHECKING:
    from weave_cli.containers.client import Docker
    from weave_cli.containers.stranded import Stranded

log = logging.getLogger(__name__)

#: Seconds before each look. Docker gives a driver that does not answer 15 s, twice for some containers.
_PAUSES_S: Final = (0.0, 0.5, 1.0, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
#: Docker does most of a start one after another; some overlap is worth something all the same.
_AT_ONCE: Final = 4


class Revival:
    """Woken by whoever notices a return."""

    def __init__(
        self,
        docker: DockerDoor,
        pulse: RouterPulse,
        *,
        drivers: Collection[str],
        pauses_s: Sequence[float] = _PAUSES_S,
    ) -> None:
        self._docker = docker
        self._pulse = pulse
        self._drivers = frozenset(drivers)
        self._pauses_s = pauses_s
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Look after each wake, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for pause_s in self._pauses_s:
                if await self._is_woken_within(pause_s):
                    break
                if self._pulse.contact is None:
                    break  # without a router they would fail again; its return wakes us
                try:
                    await self._look()
                except DockerProblem as problem:
                    log.info("did not look for containers that stayed down: %s", problem)

    async def _is_woken_within(self, limit_s: float) -> bool:
        try:
            async with asyncio.timeout(limit_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _look(self) -> None:
        found = await self._docker.call(_list_stranded, self._drivers)
        limit = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._start(one, limit) for one in found))

    async def _start(self, stranded: Stranded, limit: asyncio.Semaphore) -> None:
        from weave_cli.containers.stranded import start_stranded

        async with limit:
            try:
                if await self._docker.call(start_stranded, stranded):
                    log.warning(
                        "started container %s, which stayed down because weave was not there when Docker"
                        " started it (%s)",
                        stranded.name,
                        stranded.reason,
                    )
            except DockerProblem as problem:
                log.warning("container %s stayed down, and still does: %s", stranded.name, problem)


def _list_stranded(client: Docker, drivers: frozenset[str]) -> list[Stranded]:
    from weave_cli.containers.attachments import list_driver_networks
    from weave_cli.containers.stranded import list_stranded

    ours = [
        network.id
        for network in list_driver_networks(client)
        if network.driver in drivers or network.address_driver in drivers
    ]
    return list(list_stranded(client, ours))
