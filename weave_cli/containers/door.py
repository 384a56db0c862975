"""A daemon's way to Docker: calls and events in threads of their own, so that nobody else waits for them.

A call that hangs costs a thread and nothing else: the threads are daemons, so they do not keep us alive.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from weave_cli.daemon_thread import in_thread
from weave_cli.errors import DockerProblem
from weave_cli.settings import Settings

if TYPE_CHECKING:
    from weave_cli.containers.client import Docker
    from weave_cli.containers.events import Event, EventStream

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_FIRST_DELAY_S: Final = 1.0
_DELAY_GROWTH: Final = 1.5
_LONGEST_DELAY_S: Final = 20.0


class DockerDoor:
    """Docker for asynchronous code. Await `load` once before anything else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Docker | None = None
        self._opening = threading.Lock()
        self._lost_at: float | None = float("-inf")

    def away_s(self) -> float:
        """Seconds since Docker ended the stream of events that we follow; 0 while it goes on."""
        return 0.0 if self._lost_at is None else asyncio.get_running_loop().time() - self._lost_at

    async def load(self) -> None:
        """Import the SDK, which takes 0.2 s: after we listen, and before several threads want to.

        It imports itself in circles, which two threads at the same time turn into errors and deadlocks.
        """
        await in_thread(_import_rooms, "docker")

    async def call(
        self, function: Callable[Concatenate[Docker, P], T], *arguments: P.args, **words: P.kwargs
    ) -> T:
        """What the function gives for our client; raises DockerProblem as it does."""
        return await in_thread(lambda: function(self._opened(), *arguments, **words), "docker")

    async def follow_events(
        self, on_subscribed: Callable[[], None], on_event: Callable[[Event], None]
    ) -> None:
        """Call back, in this loop, for each subscription and each event; for ever.

        What happened before `on_subscribed`, nobody told: look for yourself.
        """
        loop = asyncio.get_running_loop()
        delay_s = _FIRST_DELAY_S
        while True:
            started = loop.time()
            try:
                await self._follow_once(on_subscribed, on_event)
                log.warning("Docker ended its event stream")
            except DockerProblem as problem:
                log.warning("%s", problem)
            if loop.time() - started > delay_s:
                delay_s = _FIRST_DELAY_S
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * _DELAY_GROWTH, _LONGEST_DELAY_S)

    async def _follow_once(
        self, on_subscribed: Callable[[], None], on_event: Callable[[Event], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        streams: list[EventStream] = []

        def subscribed() -> None:
            self._lost_at = None
            on_subscribed()

        def read() -> None:
            from weave_cli.containers.client import open_docker
            from weave_cli.containers.events import EventStream

            # A client of its own: the stream occupies its connection.
            client = open_docker(self._settings)
            self._forget_other_versions(client)
            stream = EventStream(client)
            streams.append(stream)
            loop.call_soon_threadsafe(subscribed)
            for event in stream:
                loop.call_soon_threadsafe(on_event, event)

        try:
            await in_thread(read, "docker")
        finally:
            if self._lost_at is None:
                self._lost_at = loop.time()
            for stream in streams:
                stream.close()

    def _forget_other_versions(self, client: Docker) -> None:
        """Another engine may have come up than the one that went, one that refuses our version of the API."""
        with self._opening:
            if self._client is not None and self._client.api.api_version != client.api.api_version:
                self._client = None

    def _opened(self) -> Docker:
        from weave_cli.containers.client import open_docker

        with self._opening:
            if self._client is None:
                self._client = open_docker(self._settings)
            return self._client


def _import_rooms() -> None:
    import weave_cli.containers.attachments
    import weave_cli.containers.engine
    import weave_cli.containers.events
    import weave_cli.containers.stranded  # noqa: F401
