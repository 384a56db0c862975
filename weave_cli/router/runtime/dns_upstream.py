"""Asks other servers for names outside the mesh (specification dns, section 4.4). Knows no name of ours."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Final

from weave_cli.router.nameserver.answers import server_failure

log = logging.getLogger(__name__)

#: Questions that may wait for an answer at once; more fail at once, so that clients of a dead upstream server
#: cannot pile up sockets without end.
LIMIT: Final = 256

READ_TIMEOUT_S: Final = 5.0
_CONNECT_TIMEOUT_S: Final = 2.0

_ID_LENGTH: Final = 2
_HEADER_LENGTH: Final = 12
_LONGEST_DATAGRAM: Final = 65535


class Upstream:
    """The servers in order, and how many questions are on their way to them."""

    def __init__(
        self,
        servers: Callable[[], Sequence[str]],
        *,
        port: int = 53,
        read_timeout_s: float = READ_TIMEOUT_S,
        limit: int = LIMIT,
    ) -> None:
        self._servers = servers
        self._port = port
        self._read_timeout_s = read_timeout_s
        self._slots = threading.BoundedSemaphore(limit)

    def reserve(self) -> bool:
        """Take one of the slots, from any thread; False when all are taken. `ask` gives it back."""
        return self._slots.acquire(blocking=False)

    def give_back(self) -> None:
        """Give a slot back that is not used after all."""
        self._slots.release()

    async def ask(self, query: bytes, *, over_tcp: bool) -> bytes:
        """The first usable answer, with the id of the query, or SERVFAIL; a slot must have been reserved."""
        exchange = self._exchange_tcp if over_tcp else self._exchange_udp
        try:
            for server in self._servers():
                # An id that nobody can guess, whatever the client chose.
                asked = secrets.token_bytes(_ID_LENGTH) + query[_ID_LENGTH:]
                try:
                    answer = await exchange(server, asked)
                except (OSError, EOFError) as problem:  # TimeoutError is an OSError
                    log.debug("no answer from %s: %r", server, problem)
                    continue
                return query[:_ID_LENGTH] + answer[_ID_LENGTH:]
            return server_failure(query)
        finally:
            self.give_back()

    async def _exchange_udp(self, server: str, query: bytes) -> bytes:
        """Ask from a port of its own; what is no answer to the query, or a forged one, is waited out."""
        loop = asyncio.get_running_loop()
        with socket.socket(_family_of(server), socket.SOCK_DGRAM) as udp:
            udp.setblocking(False)
            udp.connect((server, self._port))
            udp.send(query)
            async with asyncio.timeout(self._read_timeout_s):
                while True:
                    answer = await loop.sock_recv(udp, _LONGEST_DATAGRAM)
                    if _is_answer(answer, query):
                        return answer

    async def _exchange_tcp(self, server: str, query: bytes) -> bytes:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(server, self._port)
        try:
            writer.write(len(query).to_bytes(2, "big") + query)
            async with asyncio.timeout(self._read_timeout_s):
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = await reader.readexactly(length)
        finally:
            writer.transport.abort()
        if not _is_answer(answer, query):
            raise EOFError("answer to another query")
        return answer


def _is_answer(answer: bytes, query: bytes) -> bool:
    """Does the header say that it answers this query?"""
    return len(answer) >= _HEADER_LENGTH and answer[:_ID_LENGTH] == query[:_ID_LENGTH] and answer[2] >= 0x80


def _family_of(server: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server else socket.AF_INET
