"""Calls that somebody looks after: what is seen of them, what may be changed, what the client then gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.docker_passage import Docker, passage
from tests.unit.test_proxy_passage import in_loop
from weave_cli.proxy.connection import Patience
from weave_cli.proxy.exchange import (
    BODY_LIMIT,
    Answer,
    Exchange,
    Refusal,
    Request,
    Target,
    Untouched,
)

_HEAD = b"\r\n\r\n"


class Watched:
    """Looks after every call below /seen, and does with it what the test says."""

    def __init__(
        self,
        *,
        prepare: Callable[[Request], Request] = lambda request: request,
        conclude: Callable[[Answer], Answer] | None = None,
    ) -> None:
        self._prepare = prepare
        self._conclude = conclude
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.closed = 0

    def wants(self, method: str, target: Target) -> Exchange | None:
        return self if target.path.startswith("/seen") else None

    @property
    def holds_answer(self) -> bool:
        return self._conclude is not None

    async def prepare(self, request: Request) -> Request:
        self.requests.append(request)
        return self._prepare(request)

    async def conclude(self, answer: Answer) -> Answer:
        self.answers.append(answer)
        assert self._conclude is not None
        return self._conclude(answer)

    async def run(self) -> None: ...

    async def close(self) -> None:
        self.closed += 1


def mirror(answer: bytes | None = None) -> Docker:
    """A Docker whose answer has in it what it was asked, or is this one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(_HEAD)
            except asyncio.IncompleteReadError:
                break
            lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")]
            body = await reader.readexactly(int(lengths[0].split()[1])) if lengths else b""
            told = head + body
            writer.write(answer or b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))
            if answer is not None and b"Content-Length" not in answer and b"chunked" not in answer:
                break
        writer.close()

    return serve


async def ask(directory: Path, docker: Docker, watched: Watched, octets: bytes) -> tuple[bytes, bytes]:
    """Head and body of what the client gets, on a line that then serves another call, or ends."""
    async with passage(directory, docker, rewriter=watched) as proxy:
        answer = await proxy.exchange(octets)
    head, _, body = answer.partition(_HEAD)
    return head, body


_POST = b"POST /v1.41/seen/create?name=web HTTP/1.1\r\nHost: d\r\nX-Odd: 1\r\nContent-Length: 9\r\n\r\n"


@in_loop
async def test_request_is_seen_whole_and_passes_changed(tmp_path: Path) -> None:
    watched = Watched(prepare=lambda request: replace(request, body=request.body.upper() + b"!"))

    _, told = await ask(tmp_path, mirror(), watched, _POST + b'{"a":"b"}')

    (seen,) = watched.requests
    assert (seen.method, seen.target.version, seen.target.path) == ("POST", "1.41", "/seen/create")
    assert seen.target.parameter("name") == "web"
    assert seen.body == b'{"a":"b"}'
    assert told == (
        b"POST /v1.41/seen/create?name=web HTTP/1.1\r\nHost: d\r\nX-Odd: 1\r\nContent-Length: 10\r\n\r\n"
        b'{"A":"B"}!'
    )
    assert watched.closed == 1


@in_loop
async def test_chunks_and_expectations_are_resolved(tmp_path: Path) -> None:
    watched = Watched()
    head = b"POST /seen HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"

    async with passage(tmp_path, mirror(), rewriter=watched) as proxy:
        reader, writer = await proxy.connect()
        writer.write(head)
        assert await reader.readuntil(_HEAD) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: 1\r\n\r\n")
        await reader.readuntil(_HEAD)
        assert await reader.readuntil(b"abcde") == (
            b"POST /seen HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nabcde"
        )
        writer.close()

    assert watched.requests[0].body == b"abcde"


@pytest.mark.parametrize(
    "framing",
    [
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
@in_loop
async def test_answer_is_seen_whole_and_comes_back_changed(tmp_path: Path, framing: bytes) -> None:
    watched = Watched(conclude=lambda answer: replace(answer, body=answer.body * 2))

    head, body = await ask(tmp_path, mirror(framing), watched, b"GET /seen HTTP/1.1\r\nHost: d\r\n\r\n")

    assert head == b"HTTP/1.1 201 Created\r\nContent-Length: 6"
    assert body == b"abcabc"
    assert (watched.answers[0].status, watched.answers[0].body) == (201, b"abc")


@in_loop
async def test_answer_without_body_is_held_too(tmp_path: Path) -> None:
    watched = Watched(conclude=lambda answer: answer)
    told = b"HTTP/1.1 204 No Content\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n"

    head, body = await ask(tmp_path, mirror(told), watched, b"POST /seen/start HTTP/1.1\r\nHost: d\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 204 No Content\r\nApi-Version: 1.41")
    assert body == b""
    assert watched.answers[0].status == 204


@in_loop
async def test_answer_of_http_1_0_is_held_until_its_end(tmp_path: Path) -> None:
    watched = Watched(conclude=lambda answer: replace(answer, body=answer.body + b"!"))

    head, body = await ask(
        tmp_path, mirror(b"HTTP/1.0 200 OK\r\n\r\nabc"), watched, b"GET /seen HTTP/1.0\r\n\r\n"
    )

    assert body == b"abc!"
    assert b"Connection: close" in head


@in_loop
async def test_refusal_is_dockers_error_and_the_line_goes_on(tmp_path: Path) -> None:
    def refuse(request: Request) -> Request:
        raise Refusal("no more addresses", status=500)

    watched = Watched(prepare=refuse)
    after = b"GET /other HTTP/1.1\r\nHost: d\r\n\r\n"
    async with passage(tmp_path, mirror(), rewriter=watched) as proxy:
        reader, writer = await proxy.connect()
        writer.write(_POST + b"123456789" + after)
        head = await reader.readuntil(_HEAD)
        body = await reader.readline()
        second = await reader.readuntil(_HEAD)
        assert await reader.readexactly(len(after)) == after
        writer.close()

    assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert json.loads(body) == {"message": "no more addresses"}
    assert second.startswith(b"HTTP/1.1 200 OK")
    assert watched.closed == 1


@in_loop
async def test_refusal_in_place_of_an_answer(tmp_path: Path) -> None:
    def refuse(answer: Answer) -> Answer:
        raise Refusal("it could not be attached")

    head, body = await ask(tmp_path, mirror(), Watched(conclude=refuse), _POST + b"123456789")

    assert head.startswith(b"HTTP/1.1 500 ")
    assert json.loads(body) == {"message": "it could not be attached"}


@pytest.mark.parametrize("is_late", [False, True])
@in_loop
async def test_defect_is_told_and_the_line_goes_on(tmp_path: Path, is_late: bool) -> None:
    def break_down(_: object) -> Request:
        raise ZeroDivisionError("oh")

    def break_late(_: object) -> Answer:
        raise ZeroDivisionError("oh")

    watched = Watched(conclude=break_late) if is_late else Watched(prepare=break_down)
    head, body = await ask(tmp_path, mirror(), watched, _POST + b"123456789")

    assert head.startswith(b"HTTP/1.1 500 ")
    assert "ZeroDivisionError" in json.loads(body)["message"]
    assert watched.closed == 1


@pytest.mark.parametrize("is_chunked", [False, True])
@in_loop
async def test_too_large_a_body_is_refused(tmp_path: Path, is_chunked: bool) -> None:
    size = BODY_LIMIT + 1
    framing = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % size
    watched = Watched()
    async with passage(tmp_path, mirror(), rewriter=watched, patience=Patience(farewell_s=0.1)) as proxy:
        reader, writer = await proxy.connect()
        writer.write(b"POST /seen HTTP/1.1\r\nHost: d\r\n%b\r\n\r\n" % framing)
        writer.write((b"%x\r\n" % size if is_chunked else b"") + b" " * size)
        head = await reader.readuntil(_HEAD)
        writer.close()

    assert head.startswith(b"HTTP/1.1 413 ")
    assert watched.requests == []
    assert watched.closed == 1


@in_loop
async def test_body_that_never_ends_is_given_up(tmp_path: Path) -> None:
    watched = Watched()
    async with passage(tmp_path, mirror(), rewriter=watched, patience=Patience(head_s=0.05)) as proxy:
        reader, writer = await proxy.connect()
        writer.write(_POST + b"123")
        assert await reader.read() == b""
        writer.close()

    assert watched.requests == []
    assert watched.closed == 1


@in_loop
async def test_docker_is_not_asked_before_prepare_has_ended(tmp_path: Path) -> None:
    order: list[str] = []

    def note(request: Request) -> Request:
        order.append("prepared")
        return request

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(_HEAD)
        order.append("asked")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    await ask(tmp_path, serve, Watched(prepare=note), b"POST /seen HTTP/1.1\r\nHost: d\r\n\r\n")

    assert order == ["prepared", "asked"]


def test_nobody_looks_after_anything_by_default() -> None:
    assert Untouched().wants("POST", Target(text="/x", version=None, path="/x", query="")) is None
