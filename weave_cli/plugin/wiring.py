"""The plugin's parts, put together. Which of them run, and in which order, is the program's part."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.door import DockerDoor
from weave_cli.dead_owners import DeadOwners
from weave_cli.errors import DockerProblem, RouterProblem, UsageProblem
from weave_cli.names import GLOBAL_DRIVER, LEAKS_CALL, MESH_DRIVER, SWARM_DRIVER
from weave_cli.plugin.boot import BootGrace
from weave_cli.plugin.default_network import DefaultNetwork
from weave_cli.plugin.farewell import has_docker_started, is_docker_there, see_off
from weave_cli.plugin.faults import Reached, pass_by
from weave_cli.plugin.ipam import AddressDriver
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.leaks import LeakBook
from weave_cli.plugin.links import BridgeLinks
from weave_cli.plugin.listening import Listener
from weave_cli.plugin.network import NetworkDriver, activate, activate_networks
from weave_cli.plugin.protocol import has_words
from weave_cli.plugin.pulse import RouterPulse
from weave_cli.plugin.reconcile import BETWEEN_LOOKS_S, Reconciler
from weave_cli.plugin.releases import Releases
from weave_cli.plugin.revival import Revival
from weave_cli.plugin.server import Call, DriverServer
from weave_cli.plugin.shared_networks import SharedNetworks
from weave_cli.plugin.watcher import NameWatcher
from weave_cli.settings import Settings

if TYPE_CHECKING:
    from weave_cli.containers.events import Event

log = logging.getLogger(__name__)

DRIVERS: Final = (MESH_DRIVER, GLOBAL_DRIVER)

#: In the journal: does the engine share networks between hosts?
_SHARING_FACT: Final = "engine shares networks"
_ENGINE_LIMIT_S: Final = 1.0
#: Seconds after the end of a network: devices of containers that left it are there for one second more.
_CLEARING_DELAY_S: Final = 3.0
#: Docker that ends has ended its stream of events no longer ago when it stops us.
_JUST_NOW_S: Final = 0.5
#: How much later than it did we may have noticed, and asked for it meanwhile.
_SLACK_S: Final = 1.0


class Plugin:
    """All parts, made but not running."""

    def __init__(
        self,
        settings: Settings,
        *,
        http_address: str,
        journal_path: str,
        wants_multicast_route: bool,
        drivers: Collection[str] = DRIVERS,
        on_reached: Reached = pass_by,
        between_looks_s: float = BETWEEN_LOOKS_S,
        handed: Mapping[str, Listener] | None = None,
    ) -> None:
        """drivers: whose networks are ours to look after; on_reached, between_looks_s: see faults, reconcile.

        handed: what listens already, by path. Raises StoreProblem when the journal cannot be opened.
        """
        self._settings = settings
        self._on_reached = on_reached
        self._handed = handed or {}
        self._wants_multicast_route = wants_multicast_route
        self._journal = Journal(journal_path)
        self._docker = DockerDoor(settings)
        self._router = AsyncRouterClient(http_address)
        boot = BootGrace()
        self._links = BridgeLinks(self._journal, boot, self._router)
        self._releases = Releases(self._router, self._journal)
        self._addresses = AddressDriver(self._router, self._journal, self._releases, boot)
        self._pulse = RouterPulse(self._router)
        self._subscribed = asyncio.Event()
        self._clearings: set[asyncio.Task[None]] = set()
        self._watcher = NameWatcher(self._docker, self._router, self._pulse, self._journal, drivers)
        self._deaths = DeadOwners(self._docker, self._router)
        self._shared = SharedNetworks(self._docker, self._router)
        self._revival = Revival(self._docker, self._pulse, drivers=drivers)
        self._leaks = LeakBook()
        self._reconciler = Reconciler(
            self._docker,
            self._router,
            self._journal,
            self._releases,
            self._links,
            self._leaks,
            drivers=drivers,
            between_looks_s=between_looks_s,
        )

    async def load(self) -> None:
        """What takes its time and must be there before anything but the first socket."""
        await self._docker.load()

    async def see_off(self) -> None:
        """Serve until Docker, if it ends, has done with its containers."""
        await see_off(self._journal, self._is_docker_ending)

    async def _is_docker_ending(self) -> bool:
        """One that was killed, and is just starting, stops what it finds running, but has nothing to say.

        systemd starts it again after a tenth of a second.
        """
        away_s = self._docker.away_s()
        return (
            away_s < _JUST_NOW_S
            and not await has_docker_started(within_s=away_s + _SLACK_S)
            and not await is_docker_there(self._settings)
        )

    async def close(self) -> None:
        for clearing in self._clearings:
            clearing.cancel()
        await self._links.close()
        await self._addresses.close()
        await self._releases.close()
        await self._router.close()
        self._journal.close()

    def background(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What runs beside the sockets, by name."""
        for on_return in (
            self._releases.wake,
            self._watcher.resync,
            self._deaths.resync,
            self._reconciler.wake,
            self._shared.look_again,
            self._revival.wake,
        ):
            self._pulse.add_listener(on_return)
        return {
            "links": self._links.run,
            "releases": self._releases.run,
            "router": self._pulse.run,
            "events": self._follow_events,
            "names": self._watcher.run,
            "deaths": self._deaths.run,
            "comparison": self._reconciler.run,
            "revival": self._revival.run,
            "engine": self._check_engine,
        }

    def make_mesh_server(self, path: str) -> DriverServer:
        """Driver `weavemesh`: networks of this host, with addresses of our allocator."""
        return self._make_server(path, MESH_DRIVER, is_global=False)

    def knows_engine(self, path: str) -> bool:
        """Can `make_global_server` do without Docker, which may be waiting at the socket already?"""
        return path in self._handed and self._journal.find_fact(_SHARING_FACT) is not None

    async def make_global_server(self, path: str) -> DriverServer:
        """Driver `weave`: networks that Docker shares between hosts, with Docker's own addresses.

        Where the engine has no cluster store the driver is a local one, in a swarm too: a swarm takes global
        drivers of managed plugins only, and elsewhere Docker's allocator would give the same addresses out on
        each host. Our allocator is there in either case.
        """
        if self.knows_engine(path):
            is_global = self._journal.find_fact(_SHARING_FACT) == "yes"
        else:
            is_global = await self._shares_networks()
        if not is_global:
            log.info("no cluster store: driver %s serves networks of this host", GLOBAL_DRIVER)
        return self._make_server(path, GLOBAL_DRIVER, is_global=is_global)

    def make_swarm_server(self, path: str) -> DriverServer:
        """Driver `weave:swarm`, of the managed plugin: networks that a swarm shares, with its addresses."""
        driver = self._make_driver(SWARM_DRIVER, is_global=True)
        return self._serve(path, {"Plugin.Activate": activate_networks, **driver.calls()})

    def follow_shared_networks(self) -> Callable[[], Awaitable[None]]:
        """What keeps the networks of all hosts in this host's Docker; once driver `weave` listens."""
        return self._shared.run

    def make_default_network(self, name: str) -> DefaultNetwork:
        return DefaultNetwork(
            self._docker, self._router, name, wants_multicast_route=self._wants_multicast_route
        )

    def _make_server(self, path: str, name: str, *, is_global: bool) -> DriverServer:
        driver = self._make_driver(name, is_global=is_global)
        calls = {"Plugin.Activate": activate, **driver.calls(), **self._addresses.calls()}
        return self._serve(path, calls)

    def _make_driver(self, name: str, *, is_global: bool) -> NetworkDriver:
        return NetworkDriver(
            name,
            self._links,
            self._journal,
            is_global=is_global,
            wants_multicast_route=self._wants_multicast_route,
            on_stranger=self._reconciler.learn,
            on_deleted=self._clear_realm,
        )

    def _serve(self, path: str, calls: Mapping[str, Call]) -> DriverServer:
        heeded = {name: _needing_words(call) if has_words(name) else call for name, call in calls.items()}
        return DriverServer(
            path,
            {**heeded, LEAKS_CALL: self._leaks.tell},
            on_reached=self._on_reached,
            handed=self._handed.get(path),
        )

    def _clear_realm(self, key: str) -> None:
        """In a while, when the devices of its containers are gone; else the router does it later."""
        task = asyncio.get_running_loop().create_task(self._drop_realm(key))
        self._clearings.add(task)
        task.add_done_callback(self._clearings.discard)

    async def _drop_realm(self, key: str) -> None:
        await asyncio.sleep(_CLEARING_DELAY_S)
        try:
            await self._router.drop_realm(key)
        except RouterProblem as problem:
            log.info("the devices of network %s stay for now: %s", key, problem)

    async def _follow_events(self) -> None:
        def on_subscribed() -> None:
            self._watcher.on_subscribed()
            self._deaths.resync()
            self._reconciler.wake()
            self._shared.look_again()
            self._revival.wake()
            self._subscribed.set()

        def on_event(event: Event) -> None:
            self._watcher.on_event(event)
            self._deaths.on_event(event)

        await self._docker.follow_events(on_subscribed, on_event)

    async def _check_engine(self) -> None:
        """The journal's word is of the last start, and Docker keeps what a driver said for its life."""
        from weave_cli.containers.engine import read_engine_facts

        while True:
            await self._subscribed.wait()
            self._subscribed.clear()
            try:
                shares = (await self._docker.call(read_engine_facts)).has_cluster_store
            except DockerProblem as problem:
                log.info("%s", problem)
                continue
            word = "yes" if shares else "no"
            if self._journal.find_fact(_SHARING_FACT) not in (word, None):
                log.warning(
                    "Docker %s networks between hosts now: restart the plugin, then Docker, for driver %s"
                    " to follow",
                    "can share" if shares else "can no longer share",
                    GLOBAL_DRIVER,
                )
            self._journal.save_fact(_SHARING_FACT, word)

    async def _shares_networks(self) -> bool:
        """As Docker says; as the journal has it when Docker is not up yet, for it may wait for our socket."""
        from weave_cli.containers.engine import read_engine_facts

        try:
            async with asyncio.timeout(_ENGINE_LIMIT_S):
                facts = await self._docker.call(read_engine_facts)
        except (DockerProblem, TimeoutError) as problem:
            log.warning("cannot tell whether Docker shares networks: %s", problem or "no answer")
            return self._journal.find_fact(_SHARING_FACT) == "yes"
        self._journal.save_fact(_SHARING_FACT, "yes" if facts.has_cluster_store else "no")
        return facts.has_cluster_store


def _needing_words(call: Call) -> Call:
    """Raises UsageProblem for a request without words: what it asks for, nobody knows.

    Docker 20.10 repeats a call that got no answer, and has used its words up by then: to RequestPool we would
    answer with a pool that nobody asked for.
    """

    async def heed(body: Mapping[str, Any]) -> dict[str, Any]:
        if not body:
            raise UsageProblem(
                "the weave plugin was restarted in the middle of this call, and Docker repeats it without its"
                " words: try again"
            )
        return await call(body)

    return heed
