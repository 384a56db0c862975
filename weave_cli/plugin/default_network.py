"""The automatic network: made once the router knows its subnet, never by a call from Docker. Never removed.

Docker asks our sockets while we ask it to make the network, so we must be listening (specification plugin,
sections 6 and 8.3).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.door import DockerDoor
from weave_cli.errors import DockerProblem, RouterProblem
from weave_cli.names import MESH_DRIVER, MULTICAST_OPTION

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 10.0

#: By then Docker has done with what an earlier life of ours had asked for when it was killed.
_LOOK_AGAIN_S: Final = 30.0


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
        asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._wake.set)
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

        networks = await self._docker.call(list_driver_networks)
        present = [network for network in networks if network.name == self._name]
        if present:
            self._note_present(present[0].driver)
            await self._remove_twins([network.id for network in present if network.driver == MESH_DRIVER])
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

    async def _remove_twins(self, network_ids: Sequence[str]) -> None:
        """Docker makes two of one name when a plugin dies at the first one, and the next one asks again."""
        from weave_cli.containers.engine import remove_network

        left = len(network_ids)
        for network_id in reversed(network_ids):
            if left == 1:
                return
            try:
                await self._docker.call(remove_network, network_id)
                log.warning("there were two networks %s: removed %s", self._name, network_id[:12])
                left -= 1
            except DockerProblem as problem:  # a container is on it: then the other one goes
                log.info("%s", problem)

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
