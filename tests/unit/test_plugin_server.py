"""The sockets: as Docker speaks to them, and as nobody should."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from weave_cli.errors import HostProblem, RouterProblem
from weave_cli.plugin.protocol import BadRequest
from weave_cli.plugin.server import DriverServer


async def _echo(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"Got": dict(body)}


async def _refuse(_body: Mapping[str, Any]) -> dict[str, Any]:
    raise RouterProblem("range 10.99.0.0/16 out of bounds: 10.32.0.0/12")


async def _misread(_body: Mapping[str, Any]) -> dict[str, Any]:
    raise BadRequest("EndpointID is missing")


async def _break(_body: Mapping[str, Any]) -> dict[str, Any]:
    raise ZeroDivisionError


async def _hang(_body: Mapping[str, Any]) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


CALLS = {"A.Echo": _echo, "A.Refuse": _refuse, "A.Misread": _misread, "A.Break": _break, "A.Hang": _hang}


def docker_request(path: str, body: bytes = b"", *, method: str = "POST") -> bytes:
    """As Docker 20.10 writes it: an empty Host header."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\n"
        f"Content-Length: {len(body)}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n"
    )
    return head.encode() + body


async def exchange(path: str, *requests: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each request, all on one connection; fewer when it is closed before."""
    reader, writer = await asyncio.open_unix_connection(path)
    answers: list[tuple[int, bytes]] = []
    try:
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            answers.append((int(head.split()[1]), await reader.readexactly(length)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return answers
    finally:
        writer.close()
    return answers


def with_server(
    tmp_path: Path, scenario: Callable[[DriverServer], Awaitable[None]], deadline_s: float = 5.0
) -> None:
    async def run() -> None:
        server = DriverServer(str(tmp_path / "plugins" / "d.sock"), CALLS, deadline_s=deadline_s)
        await server.start()
        try:
            async with asyncio.timeout(20):
                await scenario(server)
        finally:
            await server.stop()

    asyncio.run(run())


def test_answers_docker_call_after_call_on_one_connection(tmp_path: Path) -> None:
    async def scenario(server: DriverServer) -> None:
        answers = await exchange(
            server.path, docker_request("/A.Echo"), docker_request("/A.Echo", b'{"NetworkID":"n"}')
        )
        assert [status for status, _ in answers] == [200, 200]
        assert [json.loads(body) for _, body in answers] == [{"Got": {}}, {"Got": {"NetworkID": "n"}}]
        assert answers[0][1].endswith(b"\n")

    with_server(tmp_path, scenario)


@pytest.mark.parametrize(
    ("request_octets", "status"),
    [
        (docker_request("/NetworkDriver.Unknown"), 404),
        (docker_request("/A.Echo", method="GET"), 404),
        (docker_request("/A.Echo", b"{"), 400),
        (docker_request("/A.Echo", b"[1]"), 400),
        (docker_request("/A.Echo", b"\xff\xfe"), 400),
        (docker_request("/A.Echo", b"[" * 100_000), 400),
        (docker_request("/A.Misread"), 400),
    ],
)
def test_what_is_no_call_is_refused_in_plain_text(tmp_path: Path, request_octets: bytes, status: int) -> None:
    async def scenario(server: DriverServer) -> None:
        ((got, body),) = await exchange(server.path, request_octets)
        assert got == status
        assert not body.startswith(b"{")

    with_server(tmp_path, scenario)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Refuse", "range 10.99.0.0/16 out of bounds: 10.32.0.0/12"),
        ("Break", "defect in the weave plugin: ZeroDivisionError()"),
        ("Hang", "the weave plugin was not done with it within 0 s"),
    ],
)
def test_failures_carry_their_cause_under_err(tmp_path: Path, name: str, text: str) -> None:
    async def scenario(server: DriverServer) -> None:
        ((status, body),) = await exchange(server.path, docker_request(f"/A.{name}"))
        assert (status, json.loads(body)) == (500, {"Err": text})

    with_server(tmp_path, scenario, deadline_s=0.1)


def test_body_that_never_comes_is_not_waited_for(tmp_path: Path) -> None:
    async def scenario(server: DriverServer) -> None:
        request = docker_request("/A.Echo", b'{"a":1}')[:-3]
        ((status, _),) = await exchange(server.path, request)
        assert status == 500

    with_server(tmp_path, scenario, deadline_s=0.1)


def test_body_without_end_is_cut_off(tmp_path: Path) -> None:
    async def scenario(server: DriverServer) -> None:
        announced = docker_request("/A.Echo").replace(b"Content-Length: 0", b"Content-Length: 9999999999")
        ((status, _),) = await exchange(server.path, announced)
        assert status == 400

    with_server(tmp_path, scenario)


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00", b"\0" * 4096, b"GET\r\n\r\n", b"A" * 100_000])
def test_garbage_hurts_nobody_else(tmp_path: Path, garbage: bytes) -> None:
    async def scenario(server: DriverServer) -> None:
        _, writer = await asyncio.open_unix_connection(server.path)
        writer.write(garbage)
        await writer.drain()
        ((status, _),) = await exchange(server.path, docker_request("/A.Echo"))
        assert status == 200
        writer.close()

    with_server(tmp_path, scenario)


def test_dead_socket_is_replaced_and_taken_away_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "plugins" / "d.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def scenario(server: DriverServer) -> None:
        assert len(await exchange(server.path, docker_request("/A.Echo"))) == 1
        assert os.listdir(path.parent) == ["d.sock"]

    with_server(tmp_path, scenario)
    assert os.listdir(path.parent) == []


def test_living_socket_is_left_to_its_owner(tmp_path: Path) -> None:
    async def scenario(server: DriverServer) -> None:
        with pytest.raises(HostProblem, match="somebody listens"):
            await DriverServer(server.path, CALLS).start()
        assert len(await exchange(server.path, docker_request("/A.Echo"))) == 1

    with_server(tmp_path, scenario)


def test_socket_of_a_successor_is_not_taken_away(tmp_path: Path) -> None:
    async def scenario(server: DriverServer) -> None:
        os.unlink(server.path)
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(server.path)

    with_server(tmp_path, scenario)
    assert os.listdir(tmp_path / "plugins") == ["d.sock"]


def test_directory_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostProblem, match="cannot listen on"):
        asyncio.run(DriverServer(str(tmp_path / "file" / "d.sock"), CALLS).start())
