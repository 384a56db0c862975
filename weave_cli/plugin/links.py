"""Makes veth pairs for endpoints and clears them away later. The plugin's only way to the kernel.

Netlink calls block and refuse to run beside an event loop, so they have a thread of their own; one is enough,
for the kernel does such work one at a time anyway.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from weave_cli.errors import HostProblem, StoreProblem
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.protocol import guest_link, host_link

log = logging.getLogger(__name__)

#: When a container ends, its namespace goes and takes our pair along: by then there is nothing left to do.
_PATIENCE_S: Final = 2.0
_LAST_CLEARING_S: Final = 2.0


class BridgeLinks:
    """Endpoints as veth pairs on the weave bridge (network.EndpointLinks)."""

    def __init__(self, journal: Journal, *, patience_s: float = _PATIENCE_S) -> None:
        self._journal = journal
        self._patience_s = patience_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="links")
        self._gone: list[str] = []
        self._wake = asyncio.Event()

    async def create(self, endpoint_id: str, mac: str | None) -> str:
        """Raises HostProblem when the bridge is not there or the kernel refuses."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _create, endpoint_id, mac)

    def delete_later(self, endpoint_id: str) -> None:
        self._gone.append(endpoint_id)
        self._wake.set()

    async def run(self) -> None:
        """Clear away what is done with, from an earlier life too; for ever."""
        self._gone = [*self._journal.list_endpoints(is_gone=True), *self._gone]
        await asyncio.get_running_loop().run_in_executor(self._thread, _warm_up)
        while True:
            if not self._gone:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(self._patience_s)
            await self._clear()

    async def close(self) -> None:
        """Clear away what still waits, if that goes quickly."""
        try:
            async with asyncio.timeout(_LAST_CLEARING_S):
                await self._clear()
        except TimeoutError:
            log.warning("%d endpoints are left to be cleared away at the next start", len(self._gone))
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _clear(self) -> None:
        for endpoint_id in tuple(self._gone):
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, _delete, endpoint_id)
                self._journal.remove_endpoint(endpoint_id)
            except (HostProblem, StoreProblem) as problem:
                log.warning("endpoint %s is not cleared away yet: %s", endpoint_id, problem)
                return
            self._gone.remove(endpoint_id)


def _warm_up() -> None:
    """The first use of netlink imports for 0.15 s: not while a container starts."""
    from weave_cli.host.veth import list_links

    list_links("vethwl")


def _create(endpoint_id: str, mac: str | None) -> str:
    from weave_cli.host.veth import create_endpoint_veth

    return create_endpoint_veth(host_link(endpoint_id), guest_link(endpoint_id), mac=mac).mac


def _delete(endpoint_id: str) -> None:
    from weave_cli.host.veth import delete_link

    delete_link(host_link(endpoint_id))
