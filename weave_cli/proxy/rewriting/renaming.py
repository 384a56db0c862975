"""A router that was started again has forgotten all names: containers get theirs again."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from weave_cli.api.aio import AsyncRouterClient
from weave_cli.errors import DockerProblem, RouterProblem
from weave_cli.proxy.rewriting.attaching import Attacher

log = logging.getLogger(__name__)

_BETWEEN_LOOKS_S: Final = 2.0


class NameKeeper:
    """Looks whether the router is still the one that it was."""

    def __init__(
        self, router: AsyncRouterClient, attacher: Attacher, *, between_looks_s: float = _BETWEEN_LOOKS_S
    ) -> None:
        self._router = router
        self._attacher = attacher
        self._between_looks_s = between_looks_s
        self._known = ""

    async def run(self) -> None:
        """Work for ever."""
        while True:
            try:
                instance = (await self._router.contact()).instance
                if instance != self._known:
                    await self._attacher.name_again()
                    self._known = instance
            except (RouterProblem, DockerProblem) as problem:
                log.debug("did not look after names: %s", problem)
            await asyncio.sleep(self._between_looks_s)
