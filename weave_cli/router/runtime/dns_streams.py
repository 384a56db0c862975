"""weaveDNS by TCP: a length of two octets, then a query, again and again (specification dns, section 4)."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from weave_cli.router.nameserver.answers import Answerer, Ready, Unanswered, server_failure
from weave_cli.router.runtime.dns_upstream import Upstream

log = logging.getLogger(__name__)

#: Connections at once; for one more, the one that has been idle for longest must go.
LIMIT: Final = 128

_FIRST_QUERY_TIMEOUT_S: Final = 2.0
_IDLE_TIMEOUT_S: Final = 8.0
_WRITE_TIMEOUT_S: Final = 2.0


class StreamService:
    """The clients that are connected by TCP; lives in one event loop."""

    def __init__(self, answerer: Answerer, upstream: Upstream, limit: int = LIMIT) -> None:
        self._answerer = answerer
        self._upstream = upstream
        self._limit = limit
        self._clients: set[asyncio.Task[None]] = set()
        #: Who waits for a query, longest first.
        self._idle: dict[asyncio.StreamWriter, None] = {}

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the queries of one client until it goes, is silent for too long, or must make room."""
        if len(self._clients) >= self._limit and not self._drop_longest_idle():
            writer.transport.abort()
            return
        client = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer_all(reader, writer)
        except (OSError, EOFError) as problem:  # TimeoutError is an OSError, a connection's end an EOFError
            log.debug("end of a TCP client: %r", problem)
        except Exception:
            log.exception("weaveDNS failed on a query by TCP")
        finally:
            self._idle.pop(writer, None)
            writer.transport.abort()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        patience_s = _FIRST_QUERY_TIMEOUT_S
        while True:
            self._idle[writer] = None
            async with asyncio.timeout(patience_s):
                length = int.from_bytes(await reader.readexactly(2), "big")
                query = await reader.readexactly(length)
            self._idle.pop(writer, None)
            if answer := await self._answer(query):
                writer.write(len(answer).to_bytes(2, "big") + answer)
                async with asyncio.timeout(_WRITE_TIMEOUT_S):
                    await writer.drain()
            patience_s = _IDLE_TIMEOUT_S

    async def _answer(self, query: bytes) -> bytes | None:
        prepared = self._answerer.prepare(query, is_limited=False)
        match prepared:
            case Unanswered.IGNORE:
                return None
            case Unanswered.ASK_UPSTREAM:
                if not self._upstream.reserve():
                    return server_failure(query)
                return await self._upstream.ask(query, over_tcp=True)
            case Ready():
                return query[:2] + next(prepared.bodies)

    def _drop_longest_idle(self) -> bool:
        """Make room for a client; False when all others are busy."""
        for writer in self._idle:
            del self._idle[writer]
            writer.transport.abort()
            return True
        return False
