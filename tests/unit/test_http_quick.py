"""The quick way through HTTP: what takes it, that both ways answer alike, and how one leads to the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.fakes.api_router import US, ApiRouter
from tests.fakes.until import until
from weave_cli.router.http.quick import QuickRequest, read_quick
from weave_cli.router.ipam.allocator import Setup

HEAD = b"Host: 127.0.0.1:6784\r\nUser-Agent: x\r\n"


def asked(line: bytes, headers: bytes = HEAD, body: bytes = b"") -> bytes:
    return line + b" HTTP/1.1\r\n" + headers + b"\r\n" + body


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (asked(b"POST /ip/c1"), ("POST", "c1", None)),
        (asked(b"POST /ip/_/10.32.0.0/12"), ("POST", "_", "10.32.0.0/12")),
        (asked(b"POST /ip/c1", HEAD + b"Content-Length: 0\r\n"), ("POST", "c1", None)),
        (asked(b"GET /ip/weave:expose"), ("GET", "weave:expose", None)),
        (asked(b"DELETE /ip/10.32.0.1"), ("DELETE", "10.32.0.1", None)),
    ],
)
def test_plain_requests_are_quick(octets: bytes, expected: tuple[str, str, str | None]) -> None:
    method, ident, part = expected
    assert read_quick(octets) == QuickRequest(method=method, ident=ident, part=part)
    for end in range(len(octets)):
        assert read_quick(octets[:end]) is None
    assert read_quick(octets + b"x") is None
    assert read_quick(octets + octets) is None


@pytest.mark.parametrize(
    "octets",
    [
        asked(b"PUT /ip/c1/10.32.0.1/12"),
        asked(b"DELETE /ip/c1/10.32.0.1/12"),
        asked(b"DELETE /ip/c1/10.32.0.1"),
        asked(b"GET /ip"),
        asked(b"GET /ip/"),
        asked(b"POST /ip/c%31"),
        asked(b"POST /ip/c1?check-alive=true"),
        asked(b"POST /ip/c1", HEAD + b"Content-Length: 16\r\n", b"check-alive=true"),
        asked(b"POST /ip/c1", HEAD + b"content-length:1\r\n"),
        asked(b"POST /ip/c1", HEAD + b"Transfer-Encoding: chunked\r\n"),
        asked(b"POST /ip/c1", HEAD + b"connection: close\r\n"),
        asked(b"POST /ip/c1", HEAD + b"Expect: 100-continue\r\n"),
        asked(b"POST /ip/c1", HEAD + b"no header\r\n"),
        asked(b"POST /ip/c1", HEAD + b"a b: c\r\n"),
        asked(b"POST /ip/c1", b""),
        asked(b"POST /ip/c1", HEAD + b"A: " + b"a" * 4000 + b"\r\n"),
        b"POST /ip/c1 HTTP/1.0\r\n" + HEAD + b"\r\n",
    ],
)
def test_anything_else_is_not(octets: bytes) -> None:
    assert read_quick(octets) is None


def with_router(path: Path, setup: Setup, scenario: Callable[[ApiRouter], Awaitable[None]]) -> None:
    async def run() -> None:
        router = ApiRouter(path / "weave.db", setup=setup)
        await router.start()
        try:
            async with asyncio.timeout(20):
                await scenario(router)
        finally:
            await router.stop()

    asyncio.run(run())


async def answer(reader: asyncio.StreamReader) -> tuple[int, str, str]:
    """Status, content type and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    assert headers["x-weave-instance"] == "4711"
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(head[0].split()[1]), headers.get("content-type", ""), body.decode()


TALK = [
    (b"POST /ip/c1", 200, "10.32.0.1/12"),
    (b"POST /ip/c1/10.40.0.0/16", 200, "10.40.0.1/16"),
    (b"GET /ip/c1", 200, "10.32.0.1/12 10.40.0.1/12"),
    (b"GET /ip/nobody", 200, ""),
    (b"POST /ip/c1/10.99.0.0/16", 400, "range 10.99.0.0/16 out of bounds: 10.32.0.0/12\n"),
    (b"DELETE /ip/c1", 204, ""),
    (b"DELETE /ip/c1", 400, "Delete: no addresses for c1\n"),
]


@pytest.mark.parametrize("is_quick", [True, False])
def test_both_ways_answer_alike(tmp_path: Path, is_quick: bool) -> None:
    async def scenario(router: ApiRouter) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.server.port)
        if not is_quick:
            writer.write(asked(b"GET /ipinfo/defaultsubnet"))
            assert (await answer(reader))[2] == "10.32.0.0/12"
        for line, status, body in TALK:
            writer.write(asked(line))
            found = await answer(reader)
            assert (found[0], found[2].replace("/16", "/12")) == (status, body.replace("/16", "/12"))
            assert found[1] == ("text/plain; charset=utf-8" if body else found[1])
            assert bool(router.server._quick) == is_quick
        writer.close()
        await until(lambda: not router.server._quick)

    with_router(tmp_path, Setup(seeds=(US,)), scenario)


def test_requests_behind_one_that_waits_are_answered_after_it(tmp_path: Path) -> None:
    async def scenario(router: ApiRouter) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.server.port)
        writer.write(asked(b"POST /ip/c1"))
        await until(lambda: bool(router.addresses._waiting))
        writer.write(asked(b"GET /ip/c1") + asked(b"GET /ipinfo/defaultsubnet"))
        await asyncio.sleep(0.05)
        router.addresses.cancel_all()
        assert [(await answer(reader))[2] for _ in range(3)] == ["cancelled", "", "10.32.0.0/12"]
        writer.close()

    with_router(tmp_path, Setup(peer_count=3), scenario)


def test_client_that_is_too_loud_while_it_waits_is_cut_off(tmp_path: Path) -> None:
    async def scenario(router: ApiRouter) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", router.server.port)
        writer.write(asked(b"POST /ip/c1"))
        await until(lambda: bool(router.addresses._waiting))
        writer.write(b"x" * 100_000)
        assert await reader.read() == b""
        await until(lambda: not router.addresses._waiting)
        writer.close()

    with_router(tmp_path, Setup(peer_count=3), scenario)
