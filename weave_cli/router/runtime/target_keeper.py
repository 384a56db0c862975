"""The peers that the operator wants to be connected to: resolved, remembered over restarts, tried again.

At a router's first start a peer whose name does not resolve is an error that the operator sees. After a
restart it is not: the resolver may be later than we are, and whoever could correct the name does not watch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from weave_cli.errors import UsageProblem
from weave_cli.router.mesh.targets import DirectTarget
from weave_cli.router.runtime.resolver import resolve_targets

log = logging.getLogger(__name__)

#: Seconds between two looks for the address of a peer whose name could not be resolved.
RESOLVE_INTERVAL_S: Final = 10.0


class Dialler(Protocol):
    """The mesh node, as far as targets go."""

    def connect(self, targets: Sequence[DirectTarget], *, replace: bool, now: float) -> None: ...
    def forget(self, texts: Iterable[str], now: float) -> None: ...
    def direct_targets(self) -> tuple[str, ...]: ...


class TargetMemory(Protocol):
    """Where targets are kept over restarts."""

    def targets(self) -> list[str] | None: ...
    def save_targets(self, targets: Sequence[str]) -> None: ...


class TargetKeeper:
    """Tells the mesh node whom to dial, and the store whom it was told."""

    def __init__(
        self,
        node: Dialler,
        store: TargetMemory,
        clock: Callable[[], float],
        pump: Callable[[], None],
        *,
        interval_s: float = RESOLVE_INTERVAL_S,
    ) -> None:
        self._node = node
        self._store = store
        self._clock = clock
        self._pump = pump
        self._interval_s = interval_s
        self._unresolved: list[str] = []
        self._task: asyncio.Task[None] | None = None

    async def begin(self, peers: Sequence[str]) -> None:
        """Connect to the peers of the command line; raises UsageProblem for those without an address."""
        found, problems = await resolve_targets(peers)
        if problems:
            raise UsageProblem(
                "; ".join(problems), hint="Give peers as host[:port], with names that resolve."
            )
        self._connect(found, replace=False)
        self._save()

    def recall(self, peers: Sequence[str]) -> None:
        """Want those that connect and forget left, or `peers` when there never were any.

        To be called before connect and forget may be, lest they save what they know and nothing else.
        """
        saved = self._store.targets()
        self._unresolved = list(peers if saved is None else saved)

    async def resume(self) -> None:
        """Connect to those that were recalled."""
        await self._resolve()
        if self._unresolved:
            self._task = asyncio.create_task(self._resolve_later())

    async def connect(self, peers: Sequence[str], *, replace: bool) -> Sequence[str]:
        """Add peers, or put them in the place of all; the sentence why not for each that has no address."""
        found, problems = await resolve_targets(peers)
        if replace:
            self._unresolved.clear()
        self._connect(found, replace=replace)
        self._save()
        self._pump()
        return problems

    def forget(self, peers: Sequence[str]) -> None:
        """Want these no more, named as they were given."""
        self._unresolved = [peer for peer in self._unresolved if peer not in peers]
        self._node.forget(peers, self._clock())
        self._save()
        self._pump()

    def wanted(self) -> list[str]:
        """All of them, also those whose address nobody knows yet, as the operator spelt them."""
        return [*self._node.direct_targets(), *self._unresolved]

    def stop(self) -> None:
        if self._task:
            self._task.cancel()

    def _connect(self, found: Sequence[DirectTarget], *, replace: bool) -> None:
        self._node.connect(found, replace=replace, now=self._clock())

    def _save(self) -> None:
        self._store.save_targets(self.wanted())

    async def _resolve(self) -> None:
        found, problems = await resolve_targets(self._unresolved)
        resolved = {one.text for one in found}
        # Somebody may have forgotten one while the resolver was asked.
        wanted = [one for one in found if one.text in self._unresolved]
        self._unresolved = [peer for peer in self._unresolved if peer not in resolved]
        self._connect(wanted, replace=False)
        for problem in problems:
            log.warning("%s; trying again in %.0f s", problem, self._interval_s)

    async def _resolve_later(self) -> None:
        while self._unresolved:
            await asyncio.sleep(self._interval_s)
            await self._resolve()
            self._pump()
