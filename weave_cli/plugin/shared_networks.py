"""Networks that are the same on all hosts (`weave network`): has this host's Docker make and remove them.

The router knows which there are. Docker's are told apart by a label, so that nobody else's is ever touched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.door import DockerDoor
from weave_cli.errors import DockerProblem, RouterProblem
from weave_cli.names import GLOBAL_DRIVER, REALM_OPTION, SHARED_LABEL

if TYPE_CHECKING:
    from weave_cli.containers.attachments import DriverNetwork

log = logging.getLogger(__name__)

#: Seconds between two questions to the router.
_INTERVAL_S: Final = 2.0

Row = Mapping[str, Any]


class SharedNetworks:
    """Brings Docker to the router's list, whenever that or Docker changed."""

    def __init__(
        self, docker: DockerDoor, router: AsyncRouterClient, *, interval_s: float = _INTERVAL_S
    ) -> None:
        self._docker = docker
        self._router = router
        self._interval_s = interval_s
        self._done: Sequence[tuple[object, ...]] | None = None
        self._told: set[str] = set()

    def look_again(self) -> None:
        """Docker or the router was away."""
        self._done = None

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            try:
                await self.follow()
            except (DockerProblem, RouterProblem) as problem:
                log.debug("networks of all hosts have to wait: %s", problem)
            await asyncio.sleep(self._interval_s)

    async def follow(self) -> None:
        """Do once what is to be done; what Docker refuses is tried again the next time."""
        from weave_cli.containers.attachments import list_driver_networks

        rows = await self._router.networks()
        wanted = [(row["name"], row["version"], row["removed"]) for row in rows]
        if wanted == self._done:
            return
        present = {network.name: network for network in await self._docker.call(list_driver_networks)}
        self._done = None
        outcomes = [await self._bring(row, present.get(row["name"])) for row in rows]
        if all(outcomes):
            self._done = wanted

    async def _bring(self, row: Row, present: DriverNetwork | None) -> bool:
        """One network as its row says; False: it is not yet."""
        try:
            if row["removed"]:
                return await self._remove(row, present)
            return await self._create(row, present)
        except DockerProblem as problem:
            self._tell(f"network {row['name']}: {problem.message}")
            return False

    async def _create(self, row: Row, present: DriverNetwork | None) -> bool:
        from weave_cli.containers.engine import create_network

        name = row["name"]
        if present is not None:
            if present.labels.get(SHARED_LABEL) != name:
                self._tell(f"network {name} of all hosts: this host has another one of that name already")
            elif present.subnet != row["subnet"]:
                # Removed and made again elsewhere, while this host was away.
                await self._remove(row, present)
                return False
            return True
        was_made = await self._docker.call(
            create_network,
            name,
            driver=GLOBAL_DRIVER,
            address_driver=GLOBAL_DRIVER,
            subnet=row["subnet"],
            options={**row["options"], REALM_OPTION: row["key"]},
            labels={SHARED_LABEL: name},
            is_internal=row["internal"],
        )
        if was_made:
            log.info("created network %s of all hosts, with subnet %s", name, row["subnet"])
        return was_made

    async def _remove(self, row: Row, present: DriverNetwork | None) -> bool:
        from weave_cli.containers.engine import remove_network

        if present is not None and present.labels.get(SHARED_LABEL) == row["name"]:
            await self._docker.call(remove_network, present.id)
            log.info("removed network %s of all hosts", row["name"])
        return True

    def _tell(self, text: str) -> None:
        """Once."""
        if text not in self._told:
            self._told.add(text)
            log.warning("%s", text)
