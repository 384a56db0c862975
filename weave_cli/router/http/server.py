"""The aiohttp application around the calls: routes, the one error mapper, and the listener.

No authentication: it listens on loopback, and the firewall refuses spoofed sources (specification cli, 7.5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from weave_cli.errors import HostProblem, WeaveError
from weave_cli.host.listeners import find_listener
from weave_cli.router.http.calls import (
    AddressCalls,
    ExposureCalls,
    NameCalls,
    NetworkCalls,
    RealmCalls,
    RouterCalls,
    text_answer,
)
from weave_cli.router.http.quick import QuickConnection
from weave_cli.router.http.roles import RouterService

log = logging.getLogger(__name__)

#: On every answer: clients that registered names notice a restarted router by it.
INSTANCE_HEADER: Final = "X-Weave-Instance"

_BACKLOG: Final = 128
_LAST_ANSWERS_S: Final = 0.5

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_application(router: RouterService, *, is_read_only: bool = False) -> web.Application:
    """The API of a router; parts that are switched off have no paths. is_read_only: it takes no orders."""
    application = web.Application(middlewares=[_answer_errors])
    if is_read_only:
        application.add_routes(RouterCalls(router).telling_routes())
        return application
    application.add_routes(RouterCalls(router).routes())
    application.add_routes(ExposureCalls(router.exposures).routes())
    application.add_routes(RealmCalls(router.realms).routes())
    application.add_routes(NetworkCalls(router.networks).routes())
    if router.addresses is not None:
        application.add_routes(AddressCalls(router.addresses).routes())
    if router.names is not None:
        application.add_routes(NameCalls(router.names).routes())
    instance = router.instance

    async def stamp(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers[INSTANCE_HEADER] = instance

    application.on_response_prepare.append(stamp)
    return application


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as the status and the one line of text that the Go routers answer with."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return text_answer("404 page not found\n", status=404)
    except web.HTTPMethodNotAllowed:
        return web.Response(status=405)
    except WeaveError as problem:
        return text_answer(f"{problem.message}\n", status=400)


class ApiServer:
    """Listens for the command line and the plugin."""

    def __init__(self, router: RouterService, address: str, *, is_read_only: bool = False) -> None:
        """address: `ip:port`. is_read_only: it only tells of the router, and takes no orders."""
        self._router = router
        self._is_read_only = is_read_only
        self._application = make_application(router, is_read_only=is_read_only)
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self._quick: set[QuickConnection] = set()

    @property
    def _variable(self) -> str:
        return "WEAVE_STATUS_ADDR" if self._is_read_only else "WEAVE_HTTP_ADDR"

    @property
    def port(self) -> int:
        """Where it listens; that which it was told, unless that was 0."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; raises HostProblem naming whoever has the port."""
        # A caller that goes away cancels its handler, and so its place in the allocator's queue.
        self._runner = web.AppRunner(
            self._application,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=3600,
            shutdown_timeout=_LAST_ANSWERS_S,
        )
        await self._runner.setup()
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._make_protocol, self._host, self._port, backlog=_BACKLOG, reuse_address=True
            )
        except OSError as problem:
            owner = find_listener("tcp", self._port)
            raise HostProblem(
                f"cannot listen on {self._host}:{self._port} for the HTTP API: "
                + (f"in use by {owner}" if owner else str(problem.strerror or problem)),
                hint=f"Stop that program, or choose another address with {self._variable}.",
            ) from problem
        what = "status requests" if self._is_read_only else "control messages"
        log.info("Listening for HTTP %s on %s:%d", what, self._host, self._port)

    async def stop(self) -> None:
        if self._listener:
            self._listener.close()
        await asyncio.gather(*(connection.finish(_LAST_ANSWERS_S) for connection in tuple(self._quick)))
        if self._runner:
            await self._runner.cleanup()

    def _make_protocol(self) -> asyncio.Protocol:
        assert self._runner is not None and self._runner.server is not None
        if self._is_read_only or self._router.addresses is None:
            return self._runner.server()
        stamp = f"{INSTANCE_HEADER}: {self._router.instance}"
        return QuickConnection(self._router.addresses, stamp, self._runner.server, self._quick)
