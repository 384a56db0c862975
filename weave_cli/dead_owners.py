"""Addresses that containers were given, not by Docker, go back when these die. Knows no network.

A container that is started again within the grace keeps its addresses (specification cli, section 15); one
that is removed gives them back at once. The router itself knows no containers.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final

from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.door import DockerDoor
from weave_cli.errors import DockerProblem, RouterProblem

if TYPE_CHECKING:
    from weave_cli.containers.events import Event

log = logging.getLogger(__name__)

_GRACE_S: Final = 30.0

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")


class DeadOwners:
    """Follows deaths by Docker's events; `resync` finds those that nobody told."""

    def __init__(self, docker: DockerDoor, router: AsyncRouterClient, *, grace_s: float = _GRACE_S) -> None:
        self._docker = docker
        self._router = router
        self._grace_s = grace_s
        self._queue: asyncio.Queue[tuple[str, bool] | None] = asyncio.Queue()
        self._again: set[tuple[str, bool] | None] = set()
        self._told = ""

    def on_event(self, event: Event) -> None:
        from weave_cli.containers.events import ContainerEvent

        if isinstance(event, ContainerEvent):
            if event.action == "destroy":
                self._queue.put_nowait((event.container_id, True))
            elif event.action == "die":
                self._look_later(event.container_id)

    def resync(self) -> None:
        """Look at all owners; those that look dead are looked at again when the grace is over."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Work for ever."""
        while True:
            item = await self._queue.get()
            try:
                if item is None:
                    await self._look_at_all()
                else:
                    await self._look(item[0], is_gone=item[1])
                self._told = ""
            except (DockerProblem, RouterProblem) as problem:
                if str(problem) != self._told:
                    log.info("did not look for dead owners of addresses, trying again: %s", problem)
                    self._told = str(problem)
                self._try_again(item)

    def _look_later(self, container_id: str) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._grace_s, self._queue.put_nowait, (container_id, False))

    def _try_again(self, item: tuple[str, bool] | None) -> None:
        """Once, however often it failed: a router may be away for days."""

        def now() -> None:
            self._again.discard(item)
            self._queue.put_nowait(item)

        if item not in self._again:
            self._again.add(item)
            asyncio.get_running_loop().call_later(self._grace_s, now)

    async def _look_at_all(self) -> None:
        from weave_cli.containers.attachments import list_running_ids

        owners = {ident for ident in await self._router.owned() if _CONTAINER_ID.fullmatch(ident)}
        if owners:
            running, _ = await self._docker.call(list_running_ids, frozenset[str]())
            for container_id in sorted(owners - running):
                self._look_later(container_id)

    async def _look(self, container_id: str, *, is_gone: bool) -> None:
        from weave_cli.containers.attachments import find_attached

        if not is_gone:
            found = await self._docker.call(find_attached, container_id)
            if found is not None and found.pid:
                return
        if await self._router.release_all(container_id):
            log.info("gave back the addresses of %s", container_id[:12])
            await self._router.remove_names(container_id)  # if nobody did when it died
