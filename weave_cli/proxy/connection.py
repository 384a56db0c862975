"""One client's connection, and the one to Docker that goes with it: request by request, as they come.

Docker gets an own connection for each client, so that what ends a conversation for the one ends it for the
other: half-closed, closed or cut. Calls that nobody looks after pass as octets; HTTP is read along with them
only to know where one ends and the next begins.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from weave_cli.cancelling import cancel
from weave_cli.errors import DockerProblem
from weave_cli.proxy.conversation import Conversation, Hangup
from weave_cli.proxy.exchange import (
    Answer,
    Exchange,
    Refusal,
    Request,
    Rewriter,
    Target,
    error_answer,
    parse_target,
)
from weave_cli.proxy.http_bodies import Ruler
from weave_cli.proxy.http_heads import HEAD_LIMIT, NO_BODY, Malformed, RequestHead, parse_request
from weave_cli.proxy.http_messages import Body, TooLarge, write_answer, write_request
from weave_cli.proxy.lines import Line
from weave_cli.proxy.pipe import Inlet
from weave_cli.proxy.wording import describe

log = logging.getLogger(__name__)

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """For how long a client may be silent, in seconds."""

    first_s: float = 60.0
    """Between connecting and the first head."""
    head_s: float = 60.0
    """From the first octet of a head, or of a body that is held, until all of it is there."""
    idle_s: float = 3600.0
    """Between requests."""
    farewell_s: float = 2.0
    """After our last word, for a client that is still sending."""


class ClientConnection:
    """Serves one client until either side is done."""

    def __init__(
        self,
        client: Line,
        dial: Callable[[], Awaitable[Line]],
        rewriter: Rewriter,
        *,
        patience: Patience | None = None,
    ) -> None:
        """`dial` gives a fresh line to Docker, or raises DockerProblem."""
        self._client = Inlet(client)
        self._dial = dial
        self._docker: Inlet | None = None
        self._rewriter = rewriter
        self._patience = Patience() if patience is None else patience
        self.is_idle = True
        """Between requests: nothing is lost when it ends now."""

    async def serve(self) -> None:
        """Until the end; raises Hangup and OSError when it is not the usual one."""
        try:
            while await self._serve_request():
                pass
            await self._part()
        finally:
            self._client.line.close()
            if self._docker is not None:
                self._docker.line.close()

    async def _serve_request(self) -> bool:
        """The next one; False when there are no more."""
        try:
            head = await self._read_request()
        except Malformed as problem:
            await self._answer(error_answer(HTTPStatus.BAD_REQUEST, f"weave proxy: {problem.message}"), None)
            await self._part()
            raise Hangup(f"sends what is no request: {problem.message}") from problem
        if head is None:
            return False
        octets, request, target = head
        try:
            if self._docker is None:
                self._docker = Inlet(await self._dial())
        except DockerProblem as problem:
            await self._answer(
                error_answer(HTTPStatus.BAD_GATEWAY, f"weave proxy: {describe(problem)}"), request
            )
            return False
        exchange = self._rewriter.wants(request.method, target)
        if exchange is None:
            await self._docker.line.send(octets)
            return await self._converse(request, Ruler(request.framing), None)
        try:
            return await self._look_after(exchange, request, target)
        finally:
            await exchange.close()

    async def _read_request(self) -> tuple[bytes, RequestHead, Target] | None:
        """Wait for the next head, as long as Docker holds the line; None at the end."""
        if not self._client.held and not await self._await_client():
            return None
        self.is_idle = False
        if not self._client.held[:1].isalpha():
            raise Malformed(f"begins with {bytes(self._client.held[:8])!r}")
        try:
            async with asyncio.timeout(self._patience.head_s):
                octets = await self._client.read_head(HEAD_LIMIT)
        except TimeoutError:
            raise Hangup(f"has not ended its head after {self._patience.head_s:.0f} s") from None
        if octets is None:
            return None
        request = parse_request(octets)
        try:
            return octets, request, parse_target(request.target)
        except ValueError as problem:
            raise Malformed(f"not a target: {problem}") from None

    async def _await_client(self) -> bool:
        """Until it sends something; False when it ends, Docker does, or it has been silent for too long."""
        self.is_idle = True
        is_first = self._docker is None
        limit_s = self._patience.first_s if is_first else self._patience.idle_s
        waited = [asyncio.create_task(self._client.fill())]
        if self._docker is not None:
            # What Docker sends unasked can only be its end.
            waited.append(asyncio.create_task(_ended(self._docker.line)))
        try:
            done, _ = await asyncio.wait(waited, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if not done and is_first:
                raise Hangup(f"says nothing for {limit_s:.0f} s")
            return all(task.result() for task in done) and bool(self._client.held)
        finally:
            await cancel(*waited)

    async def _look_after(self, exchange: Exchange, request: RequestHead, target: Target) -> bool:
        """Let somebody see the request, and perhaps the answer."""
        try:
            asked = await self._collect(request, target)
        except TooLarge as problem:
            await self._answer(
                error_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"weave proxy: {problem.message}"), request
            )
            return False
        try:
            wanted = await exchange.prepare(asked)
        except Refusal as problem:
            return await self._refuse(problem, request)
        except Exception as problem:
            log.exception("%s %s: a defect of ours", request.method, request.target)
            return await self._refuse(Refusal(f"weave proxy: {problem!r}"), request)
        assert self._docker is not None
        await self._docker.line.send(write_request(wanted, request))
        return await self._converse(request, Ruler(NO_BODY), exchange if exchange.holds_answer else None)

    async def _collect(self, request: RequestHead, target: Target) -> Request:
        """The request with its whole body; raises TooLarge, and Hangup when it does not come."""
        body = Body()
        ruler = Ruler(request.framing, sink=body.add)
        if request.waits_for_continue and not ruler.is_complete and not self._client.held:
            await self._client.line.send(_CONTINUE)
        try:
            async with asyncio.timeout(self._patience.head_s):
                if not await self._client.drain(ruler):
                    raise Hangup("ends in the middle of a body")
        except TimeoutError:
            raise Hangup(f"has not ended its body after {self._patience.head_s:.0f} s") from None
        except TooLarge:
            raise
        except Malformed as problem:
            raise Hangup(f"sends what is no body: {problem.message}") from problem
        return Request(
            method=request.method,
            target=target,
            headers=request.headers.without("Expect"),
            body=bytes(body.octets),
        )

    async def _converse(self, request: RequestHead, body: Ruler, holder: Exchange | None) -> bool:
        assert self._docker is not None
        return await Conversation(self._client, self._docker, request, body, holder).hold()

    async def _refuse(self, problem: Refusal, request: RequestHead) -> bool:
        await self._answer(
            error_answer(problem.status, str(problem)), request, closes=not request.keeps_alive
        )
        return request.keeps_alive

    async def _answer(self, answer: Answer, request: RequestHead | None, *, closes: bool = True) -> None:
        await self._client.line.send(write_answer(answer, request, closes=closes))

    async def _part(self) -> None:
        """End our direction, and hear the client out for a while: what is unread when a line is closed makes
        the other side lose what it has not read yet."""
        await self._client.line.end()
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(self._patience.farewell_s):
                while not self._client.has_ended:
                    self._client.held.clear()
                    await self._client.fill()


async def _ended(line: Line) -> bool:
    await line.readable()
    return False
