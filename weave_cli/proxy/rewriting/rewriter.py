"""Which calls are looked after, and the work beside them: Docker's events, and containers found running."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Final

from weave_cli.containers.door import DockerDoor
from weave_cli.daemon_thread import in_thread
from weave_cli.dead_owners import DeadOwners
from weave_cli.errors import WeaveError
from weave_cli.proxy.exchange import Exchange, Target
from weave_cli.proxy.options import RewritingOptions
from weave_cli.proxy.rewriting.attaching import Attacher
from weave_cli.proxy.rewriting.creation import Naming
from weave_cli.proxy.rewriting.exchanges import Create, Engine, Exec, Inspect, List, Start
from weave_cli.proxy.rewriting.hostname import HostnameRule
from weave_cli.proxy.rewriting.renaming import NameKeeper
from weave_cli.proxy.waiting.place import place_waiting_program
from weave_cli.settings import Settings

if TYPE_CHECKING:
    from weave_cli.api.aio import AsyncRouterClient
    from weave_cli.containers.events import Event

log = logging.getLogger(__name__)

_START: Final = re.compile(r"/containers/([^/]+)/(?:re)?start")
_EXEC: Final = re.compile(r"/containers/([^/]+)/exec")
_INSPECT: Final = re.compile(r"/containers/[^/]+/json")

_LOOK_AGAIN_S: Final = 5.0


class ContainerRewriter:
    """The proxy's part that puts containers on the network."""

    def __init__(
        self,
        options: RewritingOptions,
        settings: Settings,
        naming: Naming,
        docker: DockerDoor,
        router: AsyncRouterClient,
    ) -> None:
        self._options = options
        self._naming = naming
        self._docker = docker
        self._router = router
        self._engine = Engine(settings)
        self._attacher = Attacher(docker, router, settings, options)
        self._dead_owners = DeadOwners(docker, router)
        self._names = NameKeeper(router, self._attacher)
        self._looking: asyncio.Task[None] | None = None

    def wants(self, method: str, target: Target) -> Exchange | None:
        path = target.path
        if method == "POST":
            if path == "/containers/create":
                return Create(self._engine, self._options, self._naming)
            if match := _START.fullmatch(path):
                return Start(self._engine, self._options, self._attacher, match[1])
            if match := _EXEC.fullmatch(path):
                return Exec(self._attacher, match[1])
        elif method == "GET" and self._options.rewrites_inspect:
            if path == "/containers/json":
                return List()
            if _INSPECT.fullmatch(path):
                return Inspect(self._attacher)
        return None

    async def run(self) -> None:
        await self._docker.load()
        await in_thread(_load_operations, "load")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._dead_owners.run())
            group.create_task(self._names.run())
            group.create_task(self._docker.follow_events(self.on_subscribed, self.on_event))

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await self._attacher.close()
        await self._router.close()

    def on_subscribed(self) -> None:
        """Whatever started before, nobody tells us."""
        self._dead_owners.resync()
        if self._looking is not None:
            self._looking.cancel()
        self._looking = asyncio.get_running_loop().create_task(self._look_at_all())

    async def _look_at_all(self) -> None:
        """Until it succeeds once: no event will tell of those that run already."""
        while True:
            try:
                return await self._attacher.look_at_all()
            except WeaveError as problem:
                log.warning("looking again in %.0f s: %s", _LOOK_AGAIN_S, problem)
            except Exception:
                log.exception("looking at all containers failed; again in %.0f s", _LOOK_AGAIN_S)
            await asyncio.sleep(_LOOK_AGAIN_S)

    def on_event(self, event: Event) -> None:
        from weave_cli.containers.events import ContainerEvent

        self._dead_owners.on_event(event)
        if not isinstance(event, ContainerEvent):
            return
        if event.action == "start":
            self._attacher.on_start(event.container_id)
        elif event.action == "die":
            self._attacher.on_end(event.container_id, event.exit_status)
        elif event.action == "destroy":
            self._attacher.on_removal(event.container_id)


def _load_operations() -> None:
    """What takes long, before somebody waits for it."""
    import weave_cli.operations.attach  # noqa: F401
    from weave_cli.host.netlink import open_netlink

    with open_netlink():
        pass


def make_rewriter(options: RewritingOptions, settings: Settings, *, http_address: str) -> ContainerRewriter:
    """To be called in the loop that it will run in; writes the waiting program.

    Raises UsageProblem for a bad regular expression, and HostProblem where there can be no waiting program.
    """
    from weave_cli.api.aio import AsyncRouterClient

    rule = HostnameRule(options.hostname_match, options.hostname_replacement)
    place_waiting_program()
    return ContainerRewriter(
        options,
        settings,
        Naming(rule=rule, label=options.hostname_from_label),
        DockerDoor(settings),
        AsyncRouterClient(http_address),
    )
