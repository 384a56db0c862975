"""Allocations, look-ups and releases without a web framework around them; all else is handed to one.

An address costs 0.14 ms on the disk, and HTTP by aiohttp as much again. A connection is ours until the first
request that is not one of the few below, whole and plain; from then on it is aiohttp's. So nothing odd is
ever read here, and both answer alike.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from weave_cli.addresses import Cidr, parse_subnet
from weave_cli.errors import WeaveError
from weave_cli.router.http.roles import AddressService

log = logging.getLogger(__name__)

#: What a waiting call answers when we ended it ourselves.
CANCELLED: Final = "cancelled"

_REQUEST = re.compile(
    rb"(POST|GET|DELETE) /ip/([\w:.-]{1,255})(?:/([\d.]{7,15}/\d{1,2}))? HTTP/1\.1\r\n"
    rb"((?:[^\r\n]+\r\n)*)\r\n",
    re.ASCII,
)
#: Headers with which a request is not plain: a body, or a wish about the connection.
_SPECIAL = re.compile(
    rb"^(?:Transfer-Encoding|Connection|Expect|Upgrade|Content-Length:(?! *0\r$)|[^\r\n:]*[^\w:-])",
    re.ASCII | re.IGNORECASE | re.MULTILINE,
)
_LONGEST: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickRequest:
    """POST, GET or DELETE of an owner's addresses; part: `A/P` of the path, if there."""

    method: str
    ident: str
    part: str | None


def read_quick(octets: bytes) -> QuickRequest | None:
    """The one request that these octets are; None for anything that aiohttp should read."""
    match = _REQUEST.fullmatch(octets) if len(octets) <= _LONGEST else None
    if match is None or _SPECIAL.search(match[4]) or not re.search(rb"(?im)^Host:", match[4]):
        return None
    method, part = match[1].decode(), match[3]
    if method == "DELETE" and part is not None:
        return None
    return QuickRequest(method=method, ident=match[2].decode(), part=part.decode() if part else None)


class QuickConnection(asyncio.Protocol):
    """One client. Requests are answered one after the other, as they came."""

    def __init__(
        self,
        addresses: AddressService,
        stamp: str,
        make_full: Callable[[], asyncio.Protocol],
        open_ones: set[QuickConnection],
    ) -> None:
        """stamp: a header line for every answer; make_full: aiohttp's protocol; open_ones: we are in it."""
        self._addresses = addresses
        self._stamp = stamp
        self._make_full = make_full
        self._open_ones = open_ones
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open_ones.add(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._waiting is None:
            self._go_on()
        elif len(self._received) > _LONGEST:
            self.close()  # nobody sends so much while he waits for an answer

    def connection_lost(self, problem: Exception | None) -> None:
        self._open_ones.discard(self)
        self._transport = None
        if self._waiting is not None:
            self._waiting.cancel()  # and with it the place in the allocator's queue

    async def finish(self, limit_s: float) -> None:
        """Let the answer that is under way be given, then close."""
        if self._waiting is not None:
            await asyncio.wait((self._waiting,), timeout=limit_s)
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _go_on(self) -> None:
        if not self._received:
            return
        request = read_quick(self._received)
        if request is None:
            self._hand_over()
            return
        self._received = b""
        if request.method == "POST":
            self._waiting = asyncio.get_running_loop().create_task(self._allocate(request))
        else:
            self._answer_with(lambda: self._act(request))

    def _hand_over(self) -> None:
        assert self._transport is not None
        self._open_ones.discard(self)
        full = self._make_full()
        self._transport.set_protocol(full)
        full.connection_made(self._transport)
        full.data_received(self._received)

    def _act(self, request: QuickRequest) -> str | None:
        if request.method == "DELETE":
            self._addresses.delete(request.ident)
            return None
        return " ".join(map(str, self._addresses.lookup(request.ident, self._subnet(request))))

    async def _allocate(self, request: QuickRequest) -> None:
        try:
            subnet = self._subnet(request)
            cidr = await self._addresses.allocate(request.ident, subnet, is_container=False)
        except WeaveError as problem:
            self._answer(f"{problem.message}\n", "400 Bad Request")
        except Exception:
            log.exception("%s failed", request)
            self._answer("500 Internal Server Error\n", "500 Internal Server Error")
        else:
            self._answer(CANCELLED if cidr is None else str(cidr))
        self._waiting = None
        if self._transport is not None:
            self._go_on()

    def _answer_with(self, act: Callable[[], str | None]) -> None:
        try:
            self._answer(act())
        except WeaveError as problem:
            self._answer(f"{problem.message}\n", "400 Bad Request")
        except Exception:
            log.exception("a request for addresses failed")
            self._answer("500 Internal Server Error\n", "500 Internal Server Error")

    def _subnet(self, request: QuickRequest) -> Cidr:
        return self._addresses.default_subnet if request.part is None else parse_subnet(request.part)

    def _answer(self, text: str | None, status: str = "200 OK") -> None:
        """text: None answers that there is nothing to say."""
        if self._transport is None:
            return
        if text is None:
            self._transport.write(f"HTTP/1.1 204 No Content\r\n{self._stamp}\r\n\r\n".encode())
            return
        body = text.encode("utf-8", "replace")
        kind = "Content-Type: text/plain; charset=utf-8\r\n" if body else ""
        head = f"HTTP/1.1 {status}\r\n{self._stamp}\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
