"""A connected socket as a line of octets with two directions that end one by one: plain, or with TLS.

asyncio's own streams do not do: with TLS they end both directions when the other side ends one, and then what
`docker run -i` prints after the end of its input would be lost; and they buffer what nobody waits for.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Final, Protocol

#: Octets of one turn: all that a socket's buffer holds, as a rule.
TURN_SIZE: Final = 256 * 1024

#: Whoever receives has passed its octets on, or copied them, before it waits for anything: one serves all.
_turn = bytearray(TURN_SIZE)


class Line(Protocol):
    """What both kinds can do."""

    async def readable(self) -> None:
        """When receiving may give something."""

    def receive(self) -> memoryview | None:
        """What has come, at most a turn; empty: the other side has ended its direction; None: nothing yet.

        Valid until the caller awaits anything.
        """

    def send_now(self, octets: memoryview) -> int:
        """Send what goes without waiting; how many octets went. With TLS, all are taken."""

    async def send(self, octets: bytes | memoryview) -> None:
        """Send all, waiting for the other side to take them. What is a view must stay as it is."""

    async def end(self) -> None:
        """No more from our side; the other may go on."""

    def close(self) -> None:
        """At once, both directions; may be repeated."""


async def _wait_readable(opened: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(opened.fileno(), _wake, ready)
    try:
        await ready
    finally:
        if opened.fileno() >= 0:
            loop.remove_reader(opened.fileno())


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _end_socket(opened: socket.socket) -> None:
    with suppress(OSError):
        opened.shutdown(socket.SHUT_WR)


class PlainLine:
    """Octets as they are."""

    def __init__(self, opened: socket.socket) -> None:
        opened.setblocking(False)
        self._socket = opened

    async def readable(self) -> None:
        await _wait_readable(self._socket)

    def receive(self) -> memoryview | None:
        try:
            size = self._socket.recv_into(_turn)
        except (BlockingIOError, InterruptedError):
            return None
        return memoryview(_turn)[:size]

    def send_now(self, octets: memoryview) -> int:
        try:
            return self._socket.send(octets)
        except (BlockingIOError, InterruptedError):
            return 0

    async def send(self, octets: bytes | memoryview) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, octets)

    async def end(self) -> None:
        _end_socket(self._socket)

    def close(self) -> None:
        _close(self._socket)


class TlsLine:
    """TLS over a socket, as the server; `handshake` comes before anything else."""

    def __init__(self, opened: socket.socket, context: ssl.SSLContext) -> None:
        opened.setblocking(False)
        self._socket = opened
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._sending = asyncio.Lock()
        self._has_ended = False

    async def handshake(self) -> None:
        """Raises ssl.SSLError when it fails, and ConnectionError when the other side hangs up."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self.readable()
                if self._feed() is False:
                    raise ConnectionResetError("hung up in the handshake") from None
            except ssl.SSLError:
                with suppress(OSError):
                    await self._flush()  # the alert that tells the other side why
                raise
            else:
                await self._flush()
                return

    async def readable(self) -> None:
        if not (self._tls.pending() or self._incoming.pending):
            await _wait_readable(self._socket)

    def receive(self) -> memoryview | None:
        if self._has_ended:
            return memoryview(b"")
        size = self._read()
        if size is None:
            if self._feed() is None:
                return None
            size = self._read()
        if size == 0:
            self._has_ended = True
        return None if size is None else memoryview(_turn)[:size]

    def _read(self) -> int | None:
        try:
            return self._tls.read(TURN_SIZE, _turn)  # type: ignore[return-value]
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0

    def _feed(self) -> bool | None:
        """Whether more has come, or (False) the end; None: nothing yet."""
        try:
            octets = self._socket.recv(TURN_SIZE)
        except (BlockingIOError, InterruptedError):
            return None
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()
        return bool(octets)

    def send_now(self, octets: memoryview) -> int:
        """Nothing: what is sealed once has to be sent, and may have to wait."""
        return 0

    async def send(self, octets: bytes | memoryview) -> None:
        async with self._sending:
            view = memoryview(octets)
            while view:
                view = view[self._tls.write(view[:TURN_SIZE]) :]
                await self._flush()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await asyncio.get_running_loop().sock_sendall(self._socket, self._outgoing.read())

    async def end(self) -> None:
        async with self._sending:
            with suppress(ssl.SSLError, OSError):
                try:
                    self._tls.unwrap()  # only our half: the other side may go on sending
                finally:
                    await self._flush()
            _end_socket(self._socket)

    def close(self) -> None:
        _close(self._socket)


def _close(opened: socket.socket) -> None:
    if opened.fileno() >= 0:
        with suppress(RuntimeError):
            asyncio.get_running_loop().remove_reader(opened.fileno())
        opened.close()
