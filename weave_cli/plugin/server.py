"""The plugin's sockets: one for each driver, a call by its path, and the one error mapper.

Knows no driver: it is given a table of calls. Docker looks for `<driver>.sock` and loses 15 s on every socket
without listener (specification plugin, section 8), so a socket appears in its place listening, replaces a
dead one in one step, and goes with us on every way out. A socket that systemd has handed to us is systemd's:
it listens before us and after us, and nobody takes its file away.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from weave_cli.errors import WeaveError
from weave_cli.plugin.faults import Reached, pass_by
from weave_cli.plugin.listening import BACKLOG, Listener, listen
from weave_cli.plugin.protocol import BadRequest

log = logging.getLogger(__name__)

Call = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]

#: Docker waits for an answer without limit, and holds a lock on the container meanwhile.
DEADLINE_S: Final = 10.0

_BODY_LIMIT_BYTES: Final = 1 << 20
_KEEP_OPEN_S: Final = 3600.0
_LAST_ANSWERS_S: Final = 1.0


class DriverServer:
    """Serves one driver's calls on its socket."""

    def __init__(
        self,
        path: str,
        calls: Mapping[str, Call],
        *,
        deadline_s: float = DEADLINE_S,
        on_reached: Reached = pass_by,
        handed: Listener | None = None,
    ) -> None:
        """calls: by method, as in `NetworkDriver.Join`; on_reached: see faults.

        handed: a socket that listens at `path` already.
        """
        self._on_reached = on_reached
        self.path = path
        self._handed = handed
        self._calls = calls
        self._deadline_s = deadline_s
        self._runner: web.ServerRunner | None = None
        self._inode: int | None = None

    async def start(self) -> None:
        """Listen; raises HostProblem when somebody listens there already, or the path is not writable."""
        listener = self._handed or listen(self.path)
        self._inode = listener.inode
        server = web.Server(self._handle, access_log=None, keepalive_timeout=_KEEP_OPEN_S)
        self._runner = web.ServerRunner(server, shutdown_timeout=_LAST_ANSWERS_S)
        await self._runner.setup()
        await web.SockSite(self._runner, listener.socket, backlog=BACKLOG).start()
        log.info("Listening on %s", self.path)

    def unlink(self) -> None:
        """Take the socket file away, unless it is somebody else's by now; may be called twice."""
        with suppress(FileNotFoundError):
            if os.lstat(self.path).st_ino == self._inode:
                os.unlink(self.path)

    async def stop(self) -> None:
        """Take no more calls, finish those that came."""
        self.unlink()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.removeprefix("/")
        call = self._calls.get(name) if request.method == "POST" else None
        if call is None:
            return web.Response(status=404, text="404 page not found\n")
        try:
            async with asyncio.timeout(self._deadline_s):
                body = await _read_body(request)
                self._on_reached(name, "before")
                reply = await call(body)
                self._on_reached(name, "after")
                return _success(reply)
        except BadRequest as problem:
            log.warning("%s: bad request: %s", name, problem)
            return web.Response(status=400, text=f"{problem}\n")
        except TimeoutError:
            return _failure(name, f"the weave plugin was not done with it within {self._deadline_s:.0f} s")
        except WeaveError as problem:
            return _failure(name, problem.message)
        except Exception as problem:
            log.exception("%s failed", name)
            return _failure(name, f"defect in the weave plugin: {problem!r}")


async def _read_body(request: web.BaseRequest) -> Mapping[str, Any]:
    """The JSON object of a request; Docker sends nothing at all with some calls."""
    if (request.content_length or 0) > _BODY_LIMIT_BYTES:
        raise BadRequest(f"the body is longer than {_BODY_LIMIT_BYTES} octets")
    try:
        octets = await request.read()
        body = json.loads(octets) if octets else {}
    except web.HTTPRequestEntityTooLarge as problem:
        raise BadRequest(f"the body is longer than {_BODY_LIMIT_BYTES} octets") from problem
    except (ValueError, RecursionError) as problem:
        raise BadRequest(f"the body is no JSON: {problem}") from problem
    if not isinstance(body, dict):
        raise BadRequest("the body is no JSON object")
    return body


def _success(reply: dict[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(reply).encode() + b"\n", content_type="application/json")


def _failure(name: str, text: str) -> web.Response:
    """Status 500: with 200 Docker would look for the error under other names, call by call."""
    log.warning("%s failed: %s", name, text)
    body = json.dumps({"Err": text}).encode() + b"\n"
    return web.Response(status=500, body=body, content_type="application/json")
