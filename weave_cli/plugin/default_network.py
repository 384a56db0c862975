"""The automatic network: made once the router knows its subnet, never by a call from Docker. Never removed.

Docker asks our sockets while we ask it to make the network, so we must be listening (specification plugin,
sections 6 and 8.3).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.door import DockerDoor
from weave_cli.errors import DockerProblem, RouterProblem
from weave_cli.names import MESH_DRIVER, MULTICAST_OPTION

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 10.0


class DefaultNetwork:
    """Sees to it that the network is there: at the start, and when asked again."""

    def __init__(
        self, docker: DockerDoor, router: AsyncRouterClient, name: str, *, wants_multicast_route: bool
    ) -> None:
        self._docker = docker
        self._router = router
        self._name = name
        self._options = {MULTICAST_OPTION: "true"} if wants_multicast_route else {}
        self._wake = asyncio.Event()
        self._wake.set()

    def ensure_again(self) -> None:
        """Somebody may have removed it."""
        self._wake.set()

    async def run(self) -> None:
        """Wait for wishes for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._ensure()
            except Exception:
                self._wake.set()  # a defect: whoever runs us again shall find the wish still there
                raise

    async def _ensure(self) -> None:
        delay_s, last_text = _RETRY_S, ""
        while True:
            try:
                await self._ensure_once()
                return
            except (DockerProblem, RouterProblem) as problem:
                if problem.message != last_text:
                    last_text = problem.message
                    log.warning("network %s has to wait: %s", self._name, last_text)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_RETRY_S)

    async def _ensure_once(self) -> None:
        from weave_cli.containers.attachments import list_driver_networks
        from weave_cli.containers.engine import create_network

        for network in await self._docker.call(list_driver_networks):
            if network.name == self._name:
                self._note_present(network.driver)
                return
        subnet = await self._router.default_subnet()
        was_made = await self._docker.call(
            create_network,
            self._name,
            driver=MESH_DRIVER,
            address_driver=MESH_DRIVER,
            subnet=str(subnet),
            options=self._options,
        )
        if was_made:
            log.info("created network %s with subnet %s", self._name, subnet)

    def _note_present(self, driver: str) -> None:
        if driver == MESH_DRIVER:
            log.info("network %s is there", self._name)
        else:
            log.error(
                "network %s exists, but its driver is %s, not %s: remove it, or choose another name with"
                " --mesh-network-name",
                self._name,
                driver,
                MESH_DRIVER,
            )
