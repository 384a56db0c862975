"""Calls that nobody looks after pass octet by octet, whatever way their bodies and streams are framed."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from tests.fakes.docker_passage import Docker, passage
from weave_cli.proxy.connection import Patience

P = ParamSpec("P")

_HEAD = b"\r\n\r\n"
_GET = b"GET /v1.41/x HTTP/1.1\r\nHost: docker\r\n\r\n"
_UPGRADE = b"POST /attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
_SWITCHED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
_RAW = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @wraps(test)
    def run(*arguments: P.args, **words: P.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(60):
                await test(*arguments, **words)

        asyncio.run(limited())

    return run


def says(*answers: bytes, heard: list[bytes] | None = None, closes: bool = False) -> Docker:
    """A Docker that gives these answers to heads, one each."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await reader.readuntil(_HEAD)
            if heard is not None:
                heard.append(head)
            writer.write(answer)
        if not closes:
            await reader.read()
        writer.close()

    return serve


_ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nAPI-Version:1.41\r\ncontent-length:  3 \r\n\r\nabc",
    "nothing": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1;ext=1\r\na\r\n00a\r\n0123456789\r\n0\r\nX-Trailer: yes\r\nY: no\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "odd": b"HTTP/1.1 999\r\nContent-Length: 1\r\n\r\n\xff",
}


@pytest.mark.parametrize("name", _ANSWERS)
@in_loop
async def test_octets_pass_as_they_are(tmp_path: Path, name: str) -> None:
    heard: list[bytes] = []
    request = b"GET /v1.41/x?a=%20b HTTP/1.1\r\nhOst:docker\r\nX-odd:  two\t\r\nX-odd: \xe9\r\n\r\n"
    after = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nafter"

    async with passage(tmp_path, says(_ANSWERS[name], after, heard=heard)) as proxy:
        reader, writer = await proxy.connect()
        writer.write(request)
        assert await reader.readexactly(len(_ANSWERS[name])) == _ANSWERS[name]
        writer.write(_GET)
        assert await reader.readexactly(len(after)) == after
        writer.close()

    assert heard == [request, _GET]


@in_loop
async def test_an_answer_that_comes_in_one_piece_goes_in_one(tmp_path: Path) -> None:
    """Else the client wakes up twice for it, which costs as much as all the rest."""
    answer = _ANSWERS["length"]

    def ask(path: str) -> set[bytes]:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            pieces = set()
            for _ in range(200):
                client.sendall(_GET)
                piece = client.recv(1000)
                pieces.add(piece)
                if piece != answer:
                    break
            return pieces

    async with passage(tmp_path, says(*[answer] * 200)) as proxy:
        assert proxy.place.path is not None
        assert await asyncio.to_thread(ask, proxy.place.path) == {answer}


@in_loop
async def test_answer_to_head_has_no_body(tmp_path: Path) -> None:
    told = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"

    async with passage(tmp_path, says(told, told)) as proxy:
        reader, writer = await proxy.connect()
        for _ in range(2):
            writer.write(b"HEAD /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
            assert await reader.readexactly(len(told)) == told
        writer.close()


@in_loop
async def test_requests_sent_ahead_are_answered_in_order(tmp_path: Path) -> None:
    heard: list[bytes] = []
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(5)]
    requests = [b"GET /%d HTTP/1.1\r\nHost: d\r\n\r\n" % number for number in range(5)]

    async with passage(tmp_path, says(*answers, heard=heard)) as proxy:
        assert await proxy.exchange(b"".join(requests)) == b"".join(answers)

    assert heard == requests


@pytest.mark.parametrize("is_chunked", [False, True])
@in_loop
async def test_large_bodies_pass_both_ways_at_once(tmp_path: Path, is_chunked: bool) -> None:
    size = 40 * 2**20
    chunk = bytes(range(256)) * 128

    def framed() -> bytes:
        if not is_chunked:
            return chunk
        return b"%x\r\n%b\r\n" % (len(chunk), chunk)

    length = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % size
    octets = framed() * (size // len(chunk)) + (b"0\r\n\r\n" if is_chunked else b"")

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(_HEAD)
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % length)
        left = len(octets)
        while left:
            part = await reader.read(min(left, 2**18))
            left -= len(part)
            writer.write(part)
            await writer.drain()
        assert await reader.readuntil(_HEAD) == _GET
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.read()
        writer.close()

    async with passage(tmp_path, echo) as proxy:
        reader, writer = await proxy.connect()
        writer.write(b"POST /load HTTP/1.1\r\nHost: d\r\n%b\r\n\r\n" % length)
        writer.write(octets)
        await reader.readuntil(_HEAD)
        assert await reader.readexactly(len(octets)) == octets
        writer.write(_GET)
        assert (await reader.readuntil(_HEAD)).startswith(b"HTTP/1.1 204")
        writer.close()


@in_loop
async def test_who_reads_slowly_is_not_buffered_for(tmp_path: Path) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(_HEAD)
        writer.write(_RAW)
        for _ in range(512):
            writer.write(b"x" * 2**17)
            await writer.drain()
            sent += 2**17
        writer.close()

    async with passage(tmp_path, flood) as proxy:
        reader, writer = await proxy.connect()
        writer.write(_GET)
        before = -1
        while before != sent or not sent:
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 8 * 2**20  # socket buffers and our one turn, with what this test's own streams hold
        total = len(await reader.read())
        writer.close()

    assert total == len(_RAW) + 512 * 2**17


@pytest.mark.parametrize("opening", [_SWITCHED, _RAW])
@in_loop
async def test_stream_is_open_both_ways_and_each_way_ends_by_itself(tmp_path: Path, opening: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(_HEAD)
        writer.write(opening)
        typed = await reader.read()
        writer.write(b"heard " + typed)
        writer.write_eof()
        await reader.read()
        writer.close()

    async with passage(tmp_path, serve) as proxy:
        reader, writer = await proxy.connect()
        writer.write(_UPGRADE + b"ahead, ")
        assert await reader.readexactly(len(opening)) == opening
        writer.write(b"and after\x00\xff\r\n\r\n")
        writer.write_eof()
        assert await reader.read() == b"heard ahead, and after\x00\xff\r\n\r\n"
        writer.close()


@in_loop
async def test_docker_may_end_its_way_first(tmp_path: Path) -> None:
    typed = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(_HEAD)
        writer.write(_SWITCHED + b"bye")
        writer.write_eof()
        typed.set_result(await reader.read())
        writer.close()

    async with passage(tmp_path, serve) as proxy:
        reader, writer = await proxy.connect()
        writer.write(_UPGRADE)
        assert await reader.read() == _SWITCHED + b"bye"
        writer.write(b"still here")
        await writer.drain()
        writer.write_eof()
        assert await typed == b"still here"
        writer.close()


@in_loop
async def test_body_waits_for_dockers_word(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(_HEAD)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(4)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)
        await reader.read()
        writer.close()

    async with passage(tmp_path, serve) as proxy:
        reader, writer = await proxy.connect()
        writer.write(b"PUT /archive HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert await reader.readuntil(_HEAD) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await reader.readuntil(_HEAD) + await reader.readexactly(4)).endswith(b"body")
        writer.close()


@in_loop
async def test_client_of_http_1_0(tmp_path: Path) -> None:
    answer = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"

    async with passage(tmp_path, says(answer, closes=True)) as proxy:
        reader, writer = await proxy.connect()
        writer.write(b"GET /info HTTP/1.0\r\n\r\n")
        assert await reader.read() == answer
        writer.close()


@in_loop
async def test_answer_before_the_end_of_the_body(tmp_path: Path) -> None:
    refusal = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno!"

    async with passage(tmp_path, says(refusal, closes=True)) as proxy:
        reader, writer = await proxy.connect()
        writer.write(b"POST /build HTTP/1.1\r\nHost: d\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1000)
        assert await reader.read() == refusal
        writer.close()


@in_loop
async def test_docker_hears_that_a_client_has_gone(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(_HEAD)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        assert await reader.read() == b""
        ended.set()
        writer.close()

    async with passage(tmp_path, events) as proxy:
        reader, writer = await proxy.connect()
        writer.write(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
        await reader.readuntil(b"{}\r\n")
        writer.close()
        await ended.wait()


@in_loop
async def test_client_hears_that_docker_has_gone(tmp_path: Path) -> None:
    told = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    async with passage(tmp_path, says(told, closes=True)) as proxy:
        reader, writer = await proxy.connect()
        writer.write(_GET)
        assert await reader.read() == told
        writer.close()


@pytest.mark.parametrize(
    ("docker", "reason"),
    [
        (None, "cannot reach Docker at unix://"),
        (says(b"", closes=True), "without an answer"),
        (says(b"SSH-2.0\r\n\r\n"), "not a status line"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), "Content-Length"),
    ],
    ids=["away", "silent", "other protocol", "two lengths"],
)
@in_loop
async def test_docker_away_is_told_as_docker_tells_errors(
    tmp_path: Path, docker: Docker | None, reason: str
) -> None:
    async with passage(tmp_path, docker) as proxy:
        reader, writer = await proxy.connect()
        writer.write(_GET)
        head, _, body = (await reader.read()).partition(_HEAD)
        writer.close()

    assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    message = json.loads(body)["message"]
    assert reason in message
    assert ("Is the Docker daemon running?" in message) == (docker is None)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"nonsense\r\n\r\n",
        b"GET /x HTTP/2.0\r\n\r\n",
        b"GET /x HTTP/1.1\r\nA: 1\r\n folded\r\n\r\n",
        b"GET /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET /x HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost : d\r\n\r\n",
        b"GET http://[::1/x HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET /" + b"x" * 2**21,
    ],
)
@in_loop
async def test_garbage_is_refused_and_hung_up_on(tmp_path: Path, octets: bytes) -> None:
    heard: list[bytes] = []

    async with passage(tmp_path, says(b"", heard=heard), patience=Patience(farewell_s=0.1)) as proxy:
        reader, writer = await proxy.connect()
        writer.write(octets)
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert "message" in json.loads(answer.partition(_HEAD)[2])
    assert heard == []


@pytest.mark.parametrize("octets", [b"", b"GET /x HT"])
@in_loop
async def test_silence_has_an_end(tmp_path: Path, octets: bytes) -> None:
    impatient = Patience(first_s=0.05, head_s=0.05)

    async with passage(tmp_path, says(), patience=impatient) as proxy:
        reader, writer = await proxy.connect()
        writer.write(octets)
        assert await reader.read() == b""
        writer.close()


@in_loop
async def test_wrong_chunks_end_the_connection(tmp_path: Path) -> None:
    async with passage(tmp_path, says(b"")) as proxy:
        reader, writer = await proxy.connect()
        writer.write(b"POST /load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert await reader.read() == b""
        writer.close()


@in_loop
async def test_hundreds_at_once(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(_HEAD)
        writer.write(_SWITCHED + head.split()[1])
        writer.write(await reader.read())
        writer.close()

    async with passage(tmp_path, serve) as proxy:

        async def talk(number: int) -> bytes:
            reader, writer = await proxy.connect()
            writer.write(b"GET /%d HTTP/1.1\r\nHost: d\r\n\r\n" % number)
            opening = await reader.readuntil(_HEAD)
            await everybody.wait()
            writer.write(b" typed")
            writer.write_eof()
            said = await reader.read()
            writer.close()
            return opening + said

        everybody = asyncio.Barrier(400)
        answers = await asyncio.gather(*(talk(number) for number in range(400)))

    assert answers == [_SWITCHED + b"/%d typed" % number for number in range(400)]


@in_loop
async def test_end_of_the_proxy_waits_for_calls_under_way(tmp_path: Path) -> None:
    goes_on = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(_HEAD)
        await goes_on.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await reader.read()
        writer.close()

    async with passage(tmp_path, slow) as proxy:
        reader, writer = await proxy.connect()
        writer.write(_GET)
        await writer.drain()
        await asyncio.sleep(0.05)
        stopping = asyncio.create_task(proxy.server.stop())
        await asyncio.sleep(0)
        goes_on.set()
        assert await reader.read() == b"HTTP/1.1 204 No Content\r\n\r\n"
        await stopping
        assert not (tmp_path / "weave.sock").exists()
        writer.close()
