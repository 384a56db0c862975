"""Containers that wait get onto the network: after their start, however it came about, each once in its life.

One job per container, whoever asks for it: a client whose start is under way, Docker's events, or the look at
all there are. While a client waits, whatever fails is an error at once, and the container ends; nobody waits
after a start by Docker's restart policy: then an absent router is waited for, and for what else fails the
container's process is killed, so that Docker's policy goes on. Containers found running are never killed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote

from weave_cli.api.sync import RouterUnreachable
from weave_cli.cancelling import cancel
from weave_cli.containers.door import DockerDoor
from weave_cli.containers.engine_http import call
from weave_cli.containers.facts import read_running
from weave_cli.daemon_thread import in_thread
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem, HostProblem, RouterProblem, WeaveError
from weave_cli.proxy.options import RewritingOptions
from weave_cli.proxy.rewriting.addressing import ADDRESS_LIMIT_S, AddressDesk, RouterAway
from weave_cli.proxy.rewriting.inside import attach_now, is_let_go, let_go, list_addresses
from weave_cli.proxy.rewriting.mark import has_mark_in_row
from weave_cli.proxy.rewriting.membership import LeftAlone
from weave_cli.proxy.rewriting.workload import Workload, explain_exit, read_workload
from weave_cli.proxy.wording import describe
from weave_cli.settings import Settings

if TYPE_CHECKING:
    from weave_cli.api.aio import AsyncRouterClient

log = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 1.0
_PAUSE_GROWTH: Final = 1.5
_LONGEST_PAUSE_S: Final = 20.0

#: Docker tells of an end soon after it.
_NEWS_LIMIT_S: Final = 10.0
_MOST_ENDS: Final = 1000

#: Attaching is done alone on a host for the most part; after a boot, hundreds may want to.
_MOST_AT_ONCE: Final = 8

_SEE_DOCKER: Final = "See the log of Docker's daemon."

_DIED: Final = frozenset({Code.CONTAINER_DIED, Code.CONTAINER_NOT_RUNNING, Code.CONTAINER_UNKNOWN})


class NotAttached(Exception):
    """Why a container is not on the network; `is_its_own`: its program is to blame, not the network."""

    def __init__(self, reason: str, *, is_its_own: bool = False) -> None:
        super().__init__(reason)
        self.is_its_own = is_its_own


@dataclass(slots=True, kw_only=True)
class _Start:
    """A client waits for it."""

    program: str
    has_news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when Docker says that the container has ended."""


class Attacher:
    """Keeps the containers that were made through the proxy on the network."""

    def __init__(
        self,
        docker: DockerDoor,
        router: AsyncRouterClient,
        settings: Settings,
        options: RewritingOptions,
        *,
        address_limit_s: float = ADDRESS_LIMIT_S,
    ) -> None:
        self._docker = docker
        self._router = router
        self._settings = settings
        self._options = options
        self._addresses = AddressDesk(router, settings, limit_s=address_limit_s)
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._hurry: dict[str, asyncio.Event] = {}
        #: Why those wait that do not fail for it.
        self._troubles: dict[str, str] = {}
        self._awaited: dict[str, list[_Start]] = {}
        #: Container and first process of those whose life's work is done: attached, or left alone.
        self._settled: dict[str, int] = {}
        self._ends: dict[str, int | None] = {}
        #: Of containers that have died: their names are being taken away.
        self._farewells: dict[str, asyncio.Task[None]] = {}
        #: Started again, says Docker, while a job for an earlier life was under way.
        self._restarted: set[str] = set()
        #: Successful jobs by container: who waited for a start must not look for one that has ended since.
        self._successes: dict[str, int] = {}

    @contextmanager
    def awaited(self, container: Workload) -> Iterator[int]:
        """While a client's start of it is under way; gives what `settle` wants to know of the time before."""
        starts = self._awaited.setdefault(container.id, [])
        starts.append(_Start(program=container.program))
        try:
            yield self._successes.get(container.id, 0)
        finally:
            starts.pop()
            if not starts:
                del self._awaited[container.id]

    def is_awaited(self, container_id: str) -> bool:
        return container_id in self._awaited

    def find_trouble(self, container_id: str) -> str | None:
        """Why it is not attached yet; None when nothing is known to be in its way."""
        return self._troubles.get(container_id)

    async def settle(self, container_id: str, before: int | None = None) -> None:
        """Returns once the container is attached, or left alone; raises NotAttached.

        before: what `awaited` gave; then a success since that counts, whatever became of the container.
        """
        if before is not None and self._successes.get(container_id, 0) > before:
            return
        await asyncio.shield(self._begin(container_id, is_new=True))

    def on_start(self, container_id: str) -> None:
        """Docker says that it has been started, by whomever."""
        self._ends.pop(container_id, None)
        if container_id in self._jobs:
            self._restarted.add(container_id)
        self._begin(container_id, is_new=True)

    def on_end(self, container_id: str, status: int | None) -> None:
        """It has ended; status: of its first process. Its names go; its addresses have time."""
        if self._settled.pop(container_id, None) is not None:
            farewell = asyncio.create_task(self._remove_names(container_id))
            self._farewells[container_id] = farewell
            farewell.add_done_callback(lambda _: self._farewells.pop(container_id, None))
        self._ends[container_id] = status
        for start in self._awaited.get(container_id, ()):
            start.has_news.set()
        while len(self._ends) > _MOST_ENDS:
            del self._ends[next(iter(self._ends))]

    def on_removal(self, container_id: str) -> None:
        """Docker has forgotten it."""
        for told in (self._ends, self._successes, self._settled):
            told.pop(container_id, None)

    async def look_at_all(self) -> None:
        """Those that run: attached already, waiting for a proxy, or started again while nobody told us."""
        status, rows = await self._ask("/containers/json")
        if status != 200:
            raise DockerProblem(f"Docker cannot list containers: {message_of(rows)}", hint=_SEE_DOCKER)
        for row in rows:
            if has_mark_in_row(row):
                self._begin(row["Id"], is_new=False)

    async def name_again(self) -> None:
        """The router is back: register the names of all that are on the network; who waits looks at once."""
        for hurry in self._hurry.values():
            hurry.set()
        if not self._options.wants_dns:
            return
        for container_id, pid in list(self._settled.items()):
            status, facts = await self._ask(f"/containers/{container_id}/json")
            running = read_running(facts) if status == 200 else None
            if running is None or running.pid != pid or running.fqdn is None:
                continue
            for address in await in_thread(partial(list_addresses, pid), "namespace"):
                await self._router.add_name(container_id, address, running.fqdn)

    async def close(self) -> None:
        await cancel(*self._jobs.values(), *self._farewells.values())

    async def find_workload(self, name: str) -> Workload | None:
        """The container of that name or id, if it waits for us when it starts.

        Raises DockerProblem when Docker cannot tell, which does not mean that there is none.
        """
        status, facts = await self._ask(f"/containers/{quote(name, safe='')}/json")
        if status >= 500:
            raise DockerProblem(
                f"Docker cannot tell of container {name[:12]}: {message_of(facts)}", hint=_SEE_DOCKER
            )
        return read_workload(facts) if status == 200 else None

    async def _ask(self, path: str) -> tuple[int, Any]:
        return await in_thread(lambda: call(self._settings, "GET", path), "docker")

    def _begin(self, container_id: str, *, is_new: bool) -> asyncio.Task[None]:
        """The job for this container, a new one if there is none."""
        job = self._jobs.get(container_id)
        if job is None:
            self._hurry[container_id] = asyncio.Event()
            job = asyncio.create_task(self._work(container_id, is_new=is_new))
            self._jobs[container_id] = job
            job.add_done_callback(lambda done: self._finish(container_id, done))
        else:
            self._hurry[container_id].set()
        return job

    def _finish(self, container_id: str, job: asyncio.Task[None]) -> None:
        self._jobs.pop(container_id, None)
        self._hurry.pop(container_id, None)
        self._troubles.pop(container_id, None)
        is_restarted = container_id in self._restarted
        self._restarted.discard(container_id)
        if job.cancelled():
            return
        problem = job.exception()  # whoever waits has it; nobody may wait
        if problem is None:
            return
        if not isinstance(problem, NotAttached):
            log.error("attaching %s failed: a defect of ours", container_id[:12], exc_info=problem)
        if is_restarted:
            # What failed may have been an earlier life, and the one that waits now has no job.
            self._begin(container_id, is_new=True)

    async def _work(self, container_id: str, *, is_new: bool) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            found = None
            try:
                found = await self.find_workload(container_id)
                if found is None and not self.is_awaited(container_id):
                    return  # not ours
                if found is None or not found.pid:
                    raise DockerProblem(f"Container {container_id[:12]} died", code=Code.CONTAINER_DIED)
                if self._settled.get(container_id) != found.pid:
                    await self._attach(found)
                    self._settled[container_id] = found.pid
                self._successes[container_id] = self._successes.get(container_id, 0) + 1
                return
            except Exception as failure:
                problem = _understood(failure, container_id)
                if problem.code in _DIED:
                    await self._explain_end(container_id, problem)
                reason = describe(problem)
                # Who it is that Docker cannot tell of, nobody could end.
                may_pass = _may_pass(problem) or (found is None and isinstance(problem, DockerProblem))
                if self.is_awaited(container_id) or (is_new and not may_pass):
                    await self._give_up(container_id, found, reason)
                    raise NotAttached(reason) from None
                log.warning("cannot attach %s yet: %s", container_id[:12], reason)
                self._troubles[container_id] = reason
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._hurry[container_id].wait()
            self._hurry[container_id].clear()
            pause_s = min(pause_s * _PAUSE_GROWTH, _LONGEST_PAUSE_S)

    async def _remove_names(self, container_id: str) -> None:
        with suppress(RouterProblem):
            await self._router.remove_names(container_id)

    async def _attach(self, found: Workload) -> None:
        """Raises WeaveError when it cannot be."""
        farewell = self._farewells.get(found.id)
        if farewell is not None:
            await farewell  # of the life before; it must not take what comes now
        member = found.decide(wants_default_ipalloc=self._options.wants_default_ipalloc)
        if await in_thread(lambda: is_let_go(found.pid), "namespace"):
            return
        if isinstance(member, LeftAlone):
            # Made when it was to be attached; nothing that it waits for will come.
            log.info("leaving %s alone because %s", found.id[:12], member.reason)
            await in_thread(lambda: let_go(found.pid), "namespace")
            return
        try:
            await self._addresses.obtain(found.id, member)
            async with self._slots:
                await self._docker.call(attach_now, self._settings, self._options, found, member)
        except Exception:
            # Not when we are to end: the thread goes on for a moment, and the next proxy finds the address.
            with suppress(RouterProblem):
                await self._router.release_all(found.id)
            raise
        log.info("attached %s", found.id[:12])

    async def _explain_end(self, container_id: str, problem: WeaveError) -> NoReturn:
        """It ended before it was attached; raises NotAttached."""
        starts = self._awaited.get(container_id)
        if not starts:
            raise NotAttached(problem.message)
        start = starts[-1]
        with suppress(TimeoutError):
            async with asyncio.timeout(_NEWS_LIMIT_S):
                while container_id not in self._ends:
                    start.has_news.clear()
                    await start.has_news.wait()
        reason = explain_exit(self._ends.get(container_id), start.program)
        if reason is None:
            raise NotAttached(problem.message)
        # Docker would not have started it, nor would its restart policy.
        with suppress(DockerProblem):
            await in_thread(
                lambda: call(self._settings, "POST", f"/containers/{container_id}/stop?t=0"), "docker"
            )
        raise NotAttached(reason, is_its_own=True)

    async def _give_up(self, container_id: str, found: Workload | None, reason: str) -> None:
        log.warning("cannot attach %s, which ends: %s", container_id[:12], reason)
        if self.is_awaited(container_id):
            from weave_cli.containers.lifecycle import kill_container

            try:
                return await self._docker.call(kill_container, container_id)
            except DockerProblem as problem:
                log.warning("ending the process of %s ourselves: %s", container_id[:12], problem)
        if found is not None and found.pid:
            with suppress(ProcessLookupError):
                os.kill(found.pid, signal.SIGKILL)


def _understood(failure: Exception, container_id: str) -> WeaveError:
    """A defect of ours must not leave a container waiting with nobody who knows."""
    if isinstance(failure, WeaveError):
        return failure
    log.error("attaching %s failed", container_id[:12], exc_info=failure)
    return HostProblem(f"attaching failed: {failure!r}", hint="See 'docker logs weaveproxy'.")


def _may_pass(problem: WeaveError) -> bool:
    """Is it worth waiting for, when nobody else waits?"""
    return isinstance(problem, RouterAway | RouterUnreachable)


def message_of(answer: Any) -> str:
    """What an error of Docker's says."""
    return str(answer.get("message") if isinstance(answer, dict) else answer)
