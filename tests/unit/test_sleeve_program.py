"""The small parts of the sleeve process: its arguments, what waits for the router, what is told of drops."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest

from weave_cli.names import PeerName
from weave_cli.router.sleeve.drops import SUMMARY_INTERVAL_S, DropCounter
from weave_cli.router.sleeve.message_codec import decode_message
from weave_cli.router.sleeve.messages import BroadcastWanted, MacForgotten, MacLearned, Message
from weave_cli.router.sleeve.outbox import Outbox
from weave_cli.router.sleeve.packet_socket import PacketSocket
from weave_cli.router.sleeve.program import Inheritance, parse_arguments

NAME = "7a:00:00:00:00:01"
ARGUMENTS = ["--name", NAME, "--tap", "3", "--udp", "4", "--control", "5"]


def test_the_arguments_are_those_of_the_contract() -> None:
    told = Inheritance(name=PeerName(0x7A0000000001), tap=3, udp=4, control=5, log_level="info")
    assert parse_arguments(ARGUMENTS) == told
    assert parse_arguments([*ARGUMENTS, "--log-level", "debug"]).log_level == "debug"


@pytest.mark.parametrize(
    "arguments",
    [[], ARGUMENTS[:-2], ARGUMENTS[:-1], [*ARGUMENTS, "--log-level", "loud"], [*ARGUMENTS, "-x", "1"]],
)
def test_other_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(ValueError):
        parse_arguments(arguments)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


def read_all(end: socket.socket) -> list[Message]:
    found = []
    while True:
        try:
            found.append(decode_message(end.recv(1000)))
        except BlockingIOError:
            return found


def test_messages_wait_for_a_busy_router_within_bounds(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outbox = Outbox(ours)
    for number in range(20_000):
        outbox.put(BroadcastWanted(source=PeerName(number)))
        if number < 5_000:
            outbox.flush()
    for number in range(1000):
        mac = bytes((2, 0, 0, 0, 0, number % 10))
        outbox.put(MacLearned(mac=mac, peer=PeerName(number)))
    outbox.put(MacForgotten(mac=bytes((2, 0, 0, 0, 0, 0))))
    assert not outbox.flush()
    heard: list[Message] = []
    while not outbox.flush():
        heard += read_all(theirs)
    heard += read_all(theirs)
    assert len([one for one in heard if isinstance(one, BroadcastWanted)]) < 5_000 + 1_000
    assert heard[-11] == BroadcastWanted(source=PeerName(19_999))
    told = {one.mac[5]: one for one in heard[-10:] if isinstance(one, MacLearned | MacForgotten)}
    assert isinstance(told[0], MacForgotten) and len(told) == 10
    assert all(isinstance(one, MacLearned) and one.peer >= 990 for last, one in told.items() if last)


def test_news_of_one_address_in_two_realms_wait_side_by_side(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    outbox = Outbox(ours)
    mac = bytes((2, 0, 0, 0, 0, 1))
    told = [MacLearned(mac=mac, peer=PeerName(1), vni=vni) for vni in (0, 7, 8)]
    for message in told:
        outbox.put(message)
    assert outbox.flush()
    assert read_all(theirs) == told


def test_the_outbox_of_a_router_that_is_gone_says_so(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.close()
    outbox = Outbox(ours)
    outbox.put(BroadcastWanted(source=PeerName(1)))
    with pytest.raises(OSError):
        outbox.flush()


def test_drops_are_told_once_and_then_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    drops = DropCounter()
    for _ in range(1000):
        drops.count("a malformed packet", 0.0, "from 10.0.0.1")
    quiet = []
    for now in (SUMMARY_INTERVAL_S - 1, SUMMARY_INTERVAL_S):
        drops.summarise(now)
        quiet.append(drops.is_quiet)
    assert quiet == [False, True]
    drops.count("a malformed packet", SUMMARY_INTERVAL_S)
    assert caplog.messages == [
        "dropped a malformed packet: from 10.0.0.1",
        "dropped 999 more in 30 s: a malformed packet",
        "dropped a malformed packet",
    ]


@pytest.fixture
def sockets() -> Iterator[tuple[PacketSocket, tuple[str, int], socket.socket]]:
    """Ours, and a plain socket of somebody else with its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            ours.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            other.settimeout(5)
            yield PacketSocket(ours), other.getsockname(), other


def test_packets_arrive_one_by_one_whatever_was_joined(
    sockets: tuple[PacketSocket, tuple[str, int], socket.socket],
) -> None:
    ours, address, other = sockets
    lengths = [1400] * 70 + [900, 1400, 1400, 1500, 6, 6, 7, 60_000, 60_000]
    packets = [bytes([number % 256]) * length for number, length in enumerate(lengths)]
    for dont_fragment in (True, False):
        got = []
        for start in range(0, len(packets), 10):
            assert ours.send(packets[start : start + 10], address, dont_fragment=dont_fragment) is None
            got += [other.recv(65536) for _ in packets[start : start + 10]]
        assert got == packets


def test_joined_packets_are_received_with_their_size(
    sockets: tuple[PacketSocket, tuple[str, int], socket.socket],
) -> None:
    ours, _, other = sockets
    other.sendto(b"one", ("127.0.0.1", ours_port(ours)))
    received = ours.receive()
    assert (received.octets, received.size, received.address) == (b"one", 3, other.getsockname())
    with pytest.raises(BlockingIOError):
        ours.receive()


def test_a_packet_that_is_too_big_for_the_path_is_told_with_the_paths_size(
    sockets: tuple[PacketSocket, tuple[str, int], socket.socket],
) -> None:
    ours, address, _ = sockets
    refusal = ours.send([bytes(65_507), bytes(65_600)], address, dont_fragment=True)
    assert refusal is not None and refusal.path_mtu == 65535


def ours_port(ours: PacketSocket) -> int:
    with socket.socket(fileno=socket.dup(ours.fileno())) as same:
        port: int = same.getsockname()[1]
        return port
