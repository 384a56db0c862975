"""One request and its answer, both ways at once: the body goes up while answers come down.

Both may go on without end, and either may end first. Where the answer has no end of its own (101, or until
the stream closes, as in Docker's attach of old), HTTP is over: from there on all octets pass, both ways.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from weave_cli.cancelling import cancel
from weave_cli.proxy.exchange import Answer, Exchange, Refusal, error_answer
from weave_cli.proxy.http_bodies import Ruler
from weave_cli.proxy.http_heads import HEAD_LIMIT, AnswerHead, Malformed, RequestHead, parse_answer
from weave_cli.proxy.http_messages import Body, write_answer
from weave_cli.proxy.pipe import Inlet, carry

log = logging.getLogger(__name__)

#: Octets that a client may send ahead while an answer is under way: of the next request, or of a stream that
#: is not open yet. One turn may come on top.
_AHEAD_LIMIT: Final = 65536


class Hangup(Exception):
    """The connection ends here; the reason is worth a line in the log."""


class Conversation:
    """Carries one exchange that Docker has the head of."""

    def __init__(
        self, client: Inlet, docker: Inlet, request: RequestHead, body: Ruler, holder: Exchange | None
    ) -> None:
        """`body`: what of the request has still to be carried; `holder`: who wants the whole answer."""
        self._client = client
        self._docker = docker
        self._request = request
        self._body = body
        self._holder = holder
        self._heard = asyncio.Event()
        self._is_open = False
        self._up: asyncio.Task[None] | None = None

    async def hold(self) -> bool:
        """Until the answer has ended; False when no other request can follow on these lines.

        Raises Hangup, and OSError when the client's line breaks.
        """
        up = self._up = asyncio.create_task(self._carry_up())
        down = asyncio.create_task(self._carry_down())
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            if not down.done() and not up.cancelled():
                up.result()  # may raise; otherwise the client has said all that it is going to say
            return await down
        finally:
            await cancel(down)
            await cancel(self._up)  # which may be another one by now

    async def _carry_up(self) -> None:
        """The body; then look out for the client's end, so that Docker hears of it."""
        try:
            if not await carry(self._client, self._docker.line, self._body):
                await self._docker.line.end()
                return
            self._heard.set()
            if self._is_open:
                await self._carry_rest()
                return
            while len(self._client.held) < _AHEAD_LIMIT:
                if not await self._client.fill():
                    if not self._client.held:
                        await self._docker.line.end()
                    return
        except Malformed as problem:
            raise Hangup(f"sends what is no body: {problem.message}") from problem
        except OSError:
            # Whoever of the two is gone: Docker may have answered before, and hears that nothing follows.
            await self._docker.line.end()

    async def _carry_rest(self) -> None:
        with suppress(OSError):
            await carry(self._client, self._docker.line)
        await self._docker.line.end()

    async def _carry_down(self) -> bool:
        """Answers that only say that another follows, and the answer."""
        try:
            octets, head = await self._read_answer()
        except (Malformed, OSError) as problem:
            return await self._miss(f"Docker's answer cannot be understood: {problem}")
        if head is None:
            return await self._miss("Docker closed the connection without an answer")
        if self._holder is not None and self._may_be_held(head):
            return await self._conclude(self._holder, head)
        if head.status == HTTPStatus.SWITCHING_PROTOCOLS or head.framing.is_until_close:
            await self._client.line.send(octets)
            await self._stream()
            return False
        if not await self._carry_answer(octets, head):
            return False
        return await self._hear_out() and self._request.keeps_alive and head.keeps_alive

    async def _read_answer(self) -> tuple[bytes, AnswerHead | None]:
        while True:
            octets = await self._docker.read_head(HEAD_LIMIT)
            if octets is None:
                return b"", None
            head = parse_answer(octets, method=self._request.method)
            if not head.is_interim:
                return octets, head
            await self._client.line.send(octets)

    async def _miss(self, reason: str) -> bool:
        answer = error_answer(HTTPStatus.BAD_GATEWAY, f"weave proxy: {reason}")
        await self._client.line.send(write_answer(answer, self._request, closes=True))
        return False

    async def _carry_answer(self, octets: bytes, head: AnswerHead) -> bool:
        """Head and body; what of it came in one piece goes in one, so that the client wakes up once."""
        body = Ruler(head.framing)
        try:
            with memoryview(bytes(self._docker.held)) as view:
                taken = body.take(view)
                await self._client.line.send(octets + view[:taken])
            del self._docker.held[:taken]
            return await carry(self._docker, self._client.line, body)
        except Malformed as problem:
            raise Hangup(f"gets an answer from Docker that is none: {problem.message}") from problem

    def _may_be_held(self, head: AnswerHead) -> bool:
        """Not a stream; but what ends an answer in HTTP/1.0 is always the end of the line."""
        if head.status == HTTPStatus.SWITCHING_PROTOCOLS:
            return False
        return not head.framing.is_until_close or self._request.minor == 0

    async def _conclude(self, holder: Exchange, head: AnswerHead) -> bool:
        body = Body()
        ruler = Ruler(head.framing, sink=body.add)
        try:
            is_whole = await self._docker.drain(ruler) or head.framing.is_until_close
        except (Malformed, OSError) as problem:
            return await self._miss(f"Docker's answer cannot be understood: {problem}")
        if not is_whole:
            return await self._miss("Docker closed the connection in the middle of an answer")
        keeps_alive = self._request.keeps_alive and head.keeps_alive and not head.framing.is_until_close
        told = Answer(status=head.status, reason=head.reason, headers=head.headers, body=bytes(body.octets))
        try:
            told = await holder.conclude(told)
        except Refusal as problem:
            told = error_answer(problem.status, str(problem))
        except Exception as problem:
            log.exception("%s %s: a defect of ours", self._request.method, self._request.target)
            told = error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"weave proxy: {problem!r}")
        await self._client.line.send(write_answer(told, self._request, closes=not keeps_alive))
        return await self._hear_out() and keeps_alive

    async def _stream(self) -> None:
        """All that comes, both ways, until Docker ends and then the client."""
        self._is_open = True
        if self._heard.is_set():
            if self._up is not None:
                await cancel(self._up)
            self._up = asyncio.create_task(self._carry_rest())
        with suppress(OSError):
            await carry(self._docker, self._client.line)
        await self._client.line.end()
        if self._up is not None:
            await asyncio.wait((self._up,))

    async def _hear_out(self) -> bool:
        """Docker may answer before it has the whole request: until it has, or hangs up (False)."""
        if self._body.is_complete or self._heard.is_set():
            return True
        heard = asyncio.create_task(self._heard.wait())
        ended = asyncio.create_task(self._docker.line.readable())
        try:
            await asyncio.wait((heard, ended), return_when=asyncio.FIRST_COMPLETED)
            return heard.done()
        finally:
            await cancel(heard, ended)
