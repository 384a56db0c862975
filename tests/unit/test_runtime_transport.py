"""What strangers can do to our TCP port, and what dialling can come to."""

from __future__ import annotations

import asyncio
import logging
import random
import socket

import pytest

from tests.fakes.loopback_mesh import LoopbackPeer, clock, loopback_peers
from tests.fakes.until import until
from weave_cli.errors import HostProblem
from weave_cli.names import PeerName
from weave_cli.router.runtime import transport
from weave_cli.router.runtime.seldom import SeldomLog
from weave_cli.router.runtime.transport import Introduction, PeerLink, Transport
from weave_cli.router.wire.connection import Introduced
from weave_cli.router.wire.frames import frame_message
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.intro import FEATURES, Features

STRANGER = Features(name=PeerName(9), nickname="stranger", uid=9, conn_id=9)
US = Introduction(features=lambda remote_ip: STRANGER)
HEADER = b"weave\1\2\0"


class Owner:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.introduced: list[Features] = []
        self.closed: list[str] = []

    def link_introduced(self, link: PeerLink, introduced: Introduced) -> None:
        self.introduced.append(introduced.features)

    def link_received(self, link: PeerLink, tag: int, payload: bytes) -> None: ...
    def link_writable(self, link: PeerLink) -> None: ...

    def link_closed(self, link: PeerLink, reason: str) -> None:
        self.closed.append(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def send(port: int, *packets: bytes) -> None:
    """Some packets on a connection of their own, then its end, whatever the other side says."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for packet in packets:
                writer.write(packet)
                await writer.drain()
            writer.write_eof()
            await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
    except OSError:
        pass  # a reset is how refusals look


def nonsense(rng: random.Random) -> list[bytes]:
    """Five packets, which begin as something that we know or not at all."""
    beginnings = [
        b"",
        b"weave",
        b"weave\1\1",
        HEADER,
        b"weave\2\2\1" + bytes(32),
        b"weave\1\1" + encode_stream((FEATURES, STRANGER.to_map()))[3:],
        HEADER + b"\xff\xff\xff\xff",
        HEADER + frame_message(b"\x0c" * 30),
        HEADER + frame_message(STRANGER.encode()[:-3]),
        b"GET / HTTP/1.1\r\n\r\n",
    ]
    return [rng.choice(beginnings), *(rng.randbytes(rng.randrange(1, 200)) for _ in range(4))]


def test_ten_thousand_random_packets_hurt_nobody(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    rng = random.Random(1)
    lines: list[str] = []
    write = SeldomLog.tell

    def tell(seldom: SeldomLog, kind: str, text: str) -> None:
        lines.append(text)
        write(seldom, kind, text)

    monkeypatch.setattr(SeldomLog, "tell", tell)

    async def bombard() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours and two.neighbours)
            links = [*one.links, *two.links]
            for _ in range(80):
                await asyncio.gather(*(send(two.port, *nonsense(rng)) for _ in range(25)))
            await until(lambda: len(two.transport._links) == 1)
            assert [*one.links, *two.links] == links
            assert two.runner.terminations == 0
            one.say("still here")
            await until(lambda: two.words.known == {"still here"})
            assert {peer.name for peer in two.node.peers()} == {one.name, two.name}

    asyncio.run(bombard())
    shown = [record.getMessage() for record in caplog.records if "before introduction" in record.getMessage()]
    assert len(lines) == 2000
    assert len(shown) < 50  # three of a kind, see runtime.seldom
    for reason in ("not the weave protocol", "exceeds the limit", "launched with a password"):
        assert any(reason in line for line in shown)
    assert all(len(line) < 300 for line in lines)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_too_many_strangers_are_refused_until_some_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_MAX_STRANGERS", 3)

    async def crowd() -> None:
        owner, port = Owner(), free_port()
        door = Transport(owner, US, clock, port)
        await door.listen()
        try:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            for reader, _ in silent:
                assert (await reader.readexactly(7)) == HEADER[:7]
            reader, refused = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            refused.close()
            _, writer = silent[0]
            writer.write(HEADER + frame_message(STRANGER.encode()))
            await until(lambda: owner.introduced)
            reader, welcome = await asyncio.open_connection("127.0.0.1", port)
            assert (await reader.readexactly(7)) == HEADER[:7]
            for one in (welcome, *(writer for _, writer in silent)):
                one.close()
        finally:
            await door.stop()
        await until(lambda: len(owner.closed) == 4)

    asyncio.run(crowd())


def test_port_that_is_taken_is_named() -> None:
    async def listen_twice() -> None:
        with socket.socket() as other:
            other.bind(("0.0.0.0", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(HostProblem, match=f"^cannot listen on TCP port {port} for peers: in use by "):
                await Transport(Owner(), US, clock, port).listen()

    asyncio.run(listen_twice())


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:1", "dial tcp 127.0.0.1:1: connect: connection refused"),
        ("127.0.0.1:99999", "dial tcp 127.0.0.1:99999: "),
        ("127.0.0.1:http", "dial tcp 127.0.0.1:http: "),
        ("a..b:6783", "dial tcp a..b:6783: "),
        ("[::1]:6783", "lookup [::1]: "),
    ],
)
def test_dial_that_fails_says_why(address: str, reason: str) -> None:
    async def dial() -> None:
        failures: list[tuple[str, str]] = []
        door = Transport(Owner(), US, clock, 1)
        door.dial(address, lambda *failure: failures.append(failure))
        await until(lambda: failures and not door._dials)
        ((dialled, text),) = failures
        assert dialled == address
        assert text.startswith(reason)
        assert not door._links

    asyncio.run(dial())


def test_dial_that_nobody_answers_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_DIAL_TIMEOUT_S", 0.05)

    async def dial() -> None:
        with socket.socket() as full:
            # A listener whose queue is full does not answer.
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            waiting = [socket.socket() for _ in range(3)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            failures: list[str] = []
            door = Transport(Owner(), US, clock, 1)
            door.dial(f"127.0.0.1:{port}", lambda _, reason: failures.append(reason))
            await until(lambda: failures)
            assert failures == [f"dial tcp 127.0.0.1:{port}: i/o timeout"]
            for one in waiting:
                one.close()

    asyncio.run(dial())


def test_end_is_told_once_whoever_ended_it() -> None:
    async def end() -> None:
        owner, port = Owner(), free_port()
        door = Transport(owner, US, clock, port)
        await door.listen()
        try:
            for _ in range(3):
                await send(port, HEADER)
            await until(lambda: len(owner.closed) == 3)
            await asyncio.sleep(0.01)
            expected = "connection closed by peer while waiting for the features"
            assert owner.closed == [expected] * 3
        finally:
            await door.stop()

    asyncio.run(end())
