"""Takes clients in at every door and serves each by a task of its own; and dials Docker for them."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from weave_cli.cancelling import cancel
from weave_cli.errors import DockerProblem
from weave_cli.proxy.connection import ClientConnection, Patience
from weave_cli.proxy.conversation import Hangup
from weave_cli.proxy.exchange import Rewriter
from weave_cli.proxy.lines import Line, PlainLine, TlsLine
from weave_cli.proxy.listening import Door

log = logging.getLogger(__name__)

_DIAL_LIMIT_S: Final = 10.0
_DIAL_PAUSE_S: Final = 0.01
#: After an error that will not go away at once, such as too many open files.
_ACCEPT_PAUSE_S: Final = 0.2
_HANDSHAKE_S: Final = 30.0
#: For calls that are under way when we are to end.
_GRACE_S: Final = 3.0
_GRACE_STEP_S: Final = 0.05


class ProxyServer:
    """All clients of all doors."""

    def __init__(
        self,
        doors: Sequence[Door],
        docker_socket: str,
        rewriter: Rewriter,
        *,
        tls: ssl.SSLContext | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`tls`: for those who come by TCP."""
        self._doors = doors
        self._docker_socket = docker_socket
        self._rewriter = rewriter
        self._tls = tls
        self._patience = patience
        self._served: dict[asyncio.Task[None], ClientConnection | None] = {}
        self._accepting: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take clients in."""
        self._accepting = [asyncio.create_task(self._accept(door)) for door in self._doors]

    async def stop(self) -> None:
        """Take no more in; give calls under way a moment; then cut the rest."""
        await cancel(*self._accepting)
        for door in self._doors:
            door.close()
        steps = int(_GRACE_S / _GRACE_STEP_S)
        for _ in range(steps):
            busy = [task for task, one in self._served.items() if one is not None and not one.is_idle]
            if not busy:
                break
            await asyncio.wait(busy, timeout=_GRACE_STEP_S)
        await cancel(*self._served)

    async def dial(self) -> Line:
        """A fresh line to Docker; raises DockerProblem."""
        opened = socket.socket(socket.AF_UNIX)
        opened.setblocking(False)
        try:
            async with asyncio.timeout(_DIAL_LIMIT_S):
                while True:
                    try:
                        opened.connect(self._docker_socket)
                    except BlockingIOError:  # too many are waiting there already
                        await asyncio.sleep(_DIAL_PAUSE_S)
                    else:
                        return PlainLine(opened)
        except (OSError, TimeoutError) as problem:
            opened.close()
            reason = "it takes no connections" if isinstance(problem, TimeoutError) else _reason_of(problem)
            raise DockerProblem(
                f"cannot reach Docker at unix://{self._docker_socket}: {reason}",
                hint="Is the Docker daemon running?",
            ) from None

    async def _accept(self, door: Door) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                opened, _ = await loop.sock_accept(door.socket)
            except OSError as problem:
                log.error("cannot take a client in at %s: %s", door.place, _reason_of(problem))
                await asyncio.sleep(_ACCEPT_PAUSE_S)
                continue
            task = asyncio.create_task(self._serve(opened, door))
            self._served[task] = None
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._served[task]
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("a defect of ours", exc_info=problem)

    async def _serve(self, opened: socket.socket, door: Door) -> None:
        who = _describe(opened, door)
        try:
            client = await self._open_line(opened, door)
        except (OSError, TimeoutError) as problem:
            opened.close()
            log.info("%s is turned away: %s", who, _reason_of(problem))
            return
        connection = ClientConnection(client, self.dial, self._rewriter, patience=self._patience)
        task = asyncio.current_task()
        assert task is not None
        self._served[task] = connection
        try:
            await connection.serve()
        except Hangup as problem:
            log.info("%s is hung up on: it %s", who, problem)
        except OSError as problem:
            log.debug("%s: the line broke: %s", who, _reason_of(problem))

    async def _open_line(self, opened: socket.socket, door: Door) -> Line:
        if door.place.path is not None:
            return PlainLine(opened)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._tls is None:
            return PlainLine(opened)
        line = TlsLine(opened, self._tls)
        async with asyncio.timeout(_HANDSHAKE_S):
            await line.handshake()
        return line


def _describe(opened: socket.socket, door: Door) -> str:
    if door.place.path is not None:
        return f"a client of {door.place}"
    with suppress(OSError):
        address, port = opened.getpeername()[:2]
        return f"client {address}:{port} of {door.place}"
    return f"a client of {door.place}"


def _reason_of(problem: BaseException) -> str:
    if isinstance(problem, TimeoutError):
        return "no handshake in time"
    if isinstance(problem, ssl.SSLError):
        return f"TLS: {problem.reason or problem}"
    return (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
