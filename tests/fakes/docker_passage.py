"""A proxy on a socket of its own before a Docker that says what a test lets it say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from weave_cli.proxy.connection import Patience
from weave_cli.proxy.exchange import Rewriter, Untouched
from weave_cli.proxy.listening import open_door
from weave_cli.proxy.server import ProxyServer
from weave_cli.proxy_places import Place

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Docker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A running proxy."""

    place: Place
    server: ProxyServer

    async def connect(self) -> Streams:
        assert self.place.path is not None
        return await asyncio.open_unix_connection(self.place.path, limit=2**20)

    async def exchange(self, octets: bytes) -> bytes:
        """All that comes back for these octets, behind which this side ends."""
        reader, writer = await self.connect()
        writer.write(octets)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def passage(
    directory: Path,
    docker: Docker | None,
    *,
    rewriter: Rewriter | None = None,
    patience: Patience | None = None,
    tls: ssl.SSLContext | None = None,
    port: int | None = None,
) -> AsyncIterator[Passage]:
    """`docker` None: nobody listens there."""
    behind = str(directory / "docker.sock")
    listening = None if docker is None else await asyncio.start_unix_server(docker, behind, limit=2**20)
    place = (
        Place(path=str(directory / "weave.sock")) if port is None else Place(address="127.0.0.1", port=port)
    )
    server = ProxyServer(
        [open_door(place, like=behind)],
        behind,
        Untouched() if rewriter is None else rewriter,
        patience=patience,
        tls=tls,
    )
    server.start()
    try:
        yield Passage(place=place, server=server)
    finally:
        await server.stop()
        if listening is not None:
            listening.close()
