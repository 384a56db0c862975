"""TCP between routers: accept, dial, and carry bytes to and from the sans-I/O connections.

This is the only place that touches mesh sockets. It knows nothing of gossip or overlays; who owns the
links (mesh_runner) is told what came in, in four calls.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from weave_cli.errors import HostProblem, LocalProtocolError
from weave_cli.host.listeners import find_listener
from weave_cli.host.tcp_info import read_round_trip_us
from weave_cli.router.runtime.seldom import SeldomLog
from weave_cli.router.wire.connection import Closed, Introduced, Received, WireConnection
from weave_cli.router.wire.intro import LOWEST_VERSION, Features

if TYPE_CHECKING:
    from weave_cli.router.wire.session_keys import Secret

log = logging.getLogger(__name__)

#: Seconds for the kernel to say whether anybody listens at a dialled address.
_DIAL_TIMEOUT_S: Final = 10.0
#: Connections whose introduction is not complete; more are refused, so that strangers cannot use up memory.
_MAX_STRANGERS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """What we say of ourselves on every connection, and to whom.

    features: made from the address at the other end, for each connection anew, since every one has an id of
    its own. make_secret: a fresh one for each connection; None without password.
    """

    features: Callable[[str], Features]
    make_secret: Callable[[], Secret] | None = None
    lowest_version: int = LOWEST_VERSION


class LinkOwner(Protocol):
    """Who is told what happens on links."""

    def link_introduced(self, link: PeerLink, introduced: Introduced) -> None: ...
    def link_received(self, link: PeerLink, tag: int, payload: bytes) -> None: ...
    def link_writable(self, link: PeerLink) -> None: ...
    def link_closed(self, link: PeerLink, reason: str) -> None: ...


class PeerLink(asyncio.Protocol):
    """One TCP connection with a peer, from the first octet to the reason of its end."""

    def __init__(
        self,
        number: int,
        owner: LinkOwner,
        introduction: Introduction,
        clock: Callable[[], float],
        target: str | None,
    ):
        """target: the address we dialled, as it was configured or discovered; None when we accepted."""
        self.number = number
        self.address = target or ""
        #: What logs call it, once the peer is introduced.
        self.label = ""
        self.outbound = target is not None
        self.remote_ip = ""
        self.introduced = False
        #: Seals the frames of this connection; None while it is not known, and for those that go in clear.
        self.session_key: bytes | None = None
        self.writable = True
        self._owner = owner
        self._introduction = introduction
        self._clock = clock
        self._wire: WireConnection | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def send(self, *messages: tuple[int, bytes]) -> None:
        """Queue messages, each a tag and a payload; they leave at once when the kernel takes them."""
        if self._closed or self._wire is None:
            return
        for tag, payload in messages:
            try:
                self._wire.send(tag, payload, self._clock())
            except LocalProtocolError as problem:
                log.error("->[%s]: not sent: %s", self.address, problem)
        self._flush()

    def round_trip_us(self) -> int | None:
        """How long a packet takes to the peer and back, in microseconds; None when that is not known."""
        connection = self._transport.get_extra_info("socket") if self._transport else None
        return None if connection is None or self._closed else read_round_trip_us(connection)

    def close(self, reason: str) -> None:
        """End the connection; its owner hears of it once, whoever ended it."""
        if self._closed:
            return
        self._closed = True
        if self._timer:
            self._timer.cancel()
        if self._transport:
            # Not close(): what a peer does not read would keep the connection for as long as it likes.
            self._transport.abort()
        self._owner.link_closed(self, reason)

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Peers take a reset for the end, and an ended connection must not linger (specification mesh, 1).
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        host, port = transport.get_extra_info("peername")[:2]
        self.remote_ip = host
        self.address = self.address or f"{host}:{port}"
        say = self._introduction
        self._wire = WireConnection(
            initiator=self.outbound,
            features=say.features(host),
            now=self._clock(),
            secret=None if say.make_secret is None else say.make_secret(),
            lowest_version=say.lowest_version,
        )
        self._settle()

    def data_received(self, data: bytes) -> None:
        if not self._closed and self._wire is not None:
            self._wire.receive(data, self._clock())
            self._settle()

    def eof_received(self) -> None:
        if not self._closed and self._wire is not None:
            self._wire.receive_eof(self._clock())
            self._settle()

    def connection_lost(self, problem: Exception | None) -> None:
        if problem is None or isinstance(problem, ConnectionResetError | BrokenPipeError):
            # How Go routers end connections (specification mesh, section 1).
            self.eof_received()
        self.close(str(problem) if problem else "connection closed")

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self._owner.link_writable(self)

    # What happens inside

    def _settle(self) -> None:
        """Tell the owner what the last octets or the last deadline brought, then send and set the alarm."""
        while not self._closed and self._wire is not None and (event := self._wire.next_event()):
            match event:
                case Introduced():
                    self.introduced = True
                    self._owner.link_introduced(self, event)
                case Received(tag=tag, payload=payload):
                    self._owner.link_received(self, tag, payload)
                case Closed(reason=reason):
                    self._flush()
                    self.close(reason)
        self._flush()

    def _flush(self) -> None:
        if self._closed or self._transport is None or self._wire is None:
            return
        if data := self._wire.data_to_send():
            self._transport.write(data)
        if self._timer:
            self._timer.cancel()
        wake = self._wire.next_wake()
        if wake is not None:
            delay_s = max(0.0, wake - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        if self._wire is not None:
            self._wire.on_wake(self._clock())
            self._settle()


class Transport:
    """Makes links: for whoever dials our port, and to the addresses that we are told to dial."""

    def __init__(
        self, owner: LinkOwner, introduction: Introduction, clock: Callable[[], float], port: int
    ) -> None:
        self._owner = owner
        self._introduction = introduction
        self._clock = clock
        self._port = port
        self._server: asyncio.Server | None = None
        self._links: set[PeerLink] = set()
        self._is_stopping = False
        self._next_number = 1
        self._dials: set[asyncio.Task[None]] = set()
        self._refusals = SeldomLog(log, logging.WARNING)

    async def listen(self) -> None:
        """Accept peers; raises HostProblem naming whoever has the port."""
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._accept, "0.0.0.0", self._port, backlog=128, reuse_address=True
            )
        except OSError as problem:
            owner = find_listener("tcp", self._port)
            raise HostProblem(
                f"cannot listen on TCP port {self._port} for peers: "
                + (f"in use by {owner}" if owner else str(problem.strerror or problem)),
                hint="Stop that program, or choose another port, the same on all hosts, with WEAVE_PORT.",
            ) from problem

    def dial(self, address: str, on_failure: Callable[[str, str], None]) -> None:
        """Try to connect to `ip:port`; on_failure(address, reason) unless a link came to be."""
        if self._is_stopping:
            return
        task = asyncio.get_running_loop().create_task(self._dial(address, on_failure))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    def forget(self, link: PeerLink) -> None:
        """A closed link needs no more care."""
        self._links.discard(link)

    async def stop(self) -> None:
        """Close all links and the port; nothing is dialled any more."""
        self._is_stopping = True
        for task in list(self._dials):
            task.cancel()
        if self._server:
            self._server.close()
        for link in list(self._links):
            link.close("router is stopping")

    def _accept(self) -> asyncio.Protocol:
        if sum(not link.introduced for link in self._links) >= _MAX_STRANGERS:
            self._refusals.tell("", "too many connections without introduction: refusing one")
            return _Refusal()
        return self._new_link(None)

    def _new_link(self, target: str | None) -> PeerLink:
        link = PeerLink(self._next_number, self._owner, self._introduction, self._clock, target)
        self._next_number += 1
        self._links.add(link)
        return link

    async def _dial(self, address: str, on_failure: Callable[[str, str], None]) -> None:
        host, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        made: list[PeerLink] = []

        def make_link() -> PeerLink:
            made.append(self._new_link(address))
            return made[0]

        try:
            async with asyncio.timeout(_DIAL_TIMEOUT_S):
                await loop.create_connection(make_link, host, int(port), family=socket.AF_INET)
        except (OSError, ValueError, OverflowError) as problem:
            # Not only OSError: addresses are what other peers say, and ports or names may be impossible.
            reason = _dial_error(address, problem)
            if made:
                made[0].close(reason)
            else:
                on_failure(address, reason)


class _Refusal(asyncio.Protocol):
    """A connection that is not wanted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _dial_error(address: str, problem: Exception) -> str:
    """The reason as `weave status connections` shows it, in the Go routers' form."""
    match problem:
        case socket.gaierror():
            return f"lookup {address.rpartition(':')[0]}: {problem.strerror or problem}".lower()
        case TimeoutError(errno=None):
            return f"dial tcp {address}: i/o timeout"
        case OSError(errno=int(errno)):
            return f"dial tcp {address}: connect: {os.strerror(errno).lower()}"
    return f"dial tcp {address}: {problem}"
