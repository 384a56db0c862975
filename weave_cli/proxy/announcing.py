"""Tells commands on this host where the proxy listens, for as long as it does: an abstract unix socket.

Whoever connects gets one address a line. Such a socket belongs to the network namespace and leaves nothing
behind, so commands find it wherever they run; they look whether root is at the other end.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.names import PROXY_BEACON

log = logging.getLogger(__name__)

#: After an error that will not go away at once, such as too many open files.
_ACCEPT_PAUSE_S: Final = 0.2


class Beacon:
    """Says the same to everybody."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._text = "".join(f"{address}\n" for address in addresses).encode()
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Raises HostProblem when another proxy is there already."""
        opened = socket.socket(socket.AF_UNIX)
        opened.setblocking(False)
        try:
            opened.bind(PROXY_BEACON)
            opened.listen()
        except OSError as problem:
            opened.close()
            raise HostProblem(
                f"cannot listen on the abstract socket {PROXY_BEACON[1:]}: {problem.strerror}",
                hint="Does another proxy run on this host? See 'docker ps' and 'ss -lxp'.",
            ) from None
        self._socket = opened

    async def serve(self) -> None:
        """Until cancelled."""
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        while True:
            try:
                caller, _ = await loop.sock_accept(self._socket)
            except OSError as problem:
                log.error("cannot tell a caller where the proxy listens: %s", problem.strerror)
                await asyncio.sleep(_ACCEPT_PAUSE_S)
                continue
            with caller, suppress(OSError):  # who has hung up already must not end it for the others
                caller.setblocking(False)
                # It fits into the buffer of a fresh socket, so nobody can make us wait.
                caller.send(self._text)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
