"""The host of a few packets: what it answers, octet by octet, and what it leaves alone."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_cli.addresses import parse_address
from weave_cli.names import TEST_GROUP, TEST_PORT
from weave_cli.router.inquiry.echo_host import EchoHost
from weave_cli.router.overlay.checksums import internet_checksum

pytestmark = pytest.mark.unit

_MAC, _THEIR_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
_US, _THEM = parse_address("10.32.0.1"), parse_address("10.36.0.7")
_GROUP_MAC = bytes.fromhex("01005e7f5765")
_SYN, _FIN, _PSH, _ACK, _RST = 2, 1, 8, 16, 4


@pytest.fixture
def host() -> EchoHost:
    return EchoHost(_MAC, _US, 1450)


def ethernet(ethertype: int, body: bytes, *, target: bytes = _MAC, sender: bytes = _THEIR_MAC) -> bytes:
    return target + sender + struct.pack(">H", ethertype) + body


def ip(protocol: int, payload: bytes, *, target: int = _US, fragment: int = 0x4000) -> bytes:
    header = struct.pack(
        ">BBHHHBBHII", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0, _THEM, target
    )
    return ethernet(0x0800, header + payload, target=_GROUP_MAC if target == TEST_GROUP else _MAC)


def udp(payload: bytes, *, source: int = 4000, port: int = TEST_PORT) -> bytes:
    return struct.pack(">HHHH", source, port, 8 + len(payload), 0) + payload


def tcp(flags: int, payload: bytes = b"", *, number: int = 100, expected: int = 0) -> bytes:
    return struct.pack(">HHIIBBHHH", 4000, TEST_PORT, number, expected, 0x50, flags, 1000, 0, 0) + payload


def arp(wanted: int) -> bytes:
    body = struct.pack(">HHBBH6sI6sI", 1, 0x0800, 6, 4, 1, _THEIR_MAC, _THEM, bytes(6), wanted)
    return ethernet(0x0806, body, target=b"\xff" * 6)


def parse_ip(frame: bytes | None) -> tuple[int, bytes]:
    """Protocol and payload of an answer to the other side, all checksums of which are right."""
    assert frame is not None
    assert frame[:14] == _THEIR_MAC + _MAC + b"\x08\x00"
    header, payload = frame[14:34], frame[34:]
    assert internet_checksum(header) == 0
    assert struct.unpack(">II", header[12:]) == (_US, _THEM)
    assert struct.unpack(">H", header[2:4])[0] == 20 + len(payload)
    protocol = header[9]
    pseudo = b"" if protocol == 1 else struct.pack(">IIHH", _US, _THEM, protocol, len(payload))
    assert internet_checksum(pseudo + payload) == 0
    return protocol, payload


def test_who_asks_for_its_address_is_told_where_it_is(host: EchoHost) -> None:
    answer = host.receive(arp(_US))
    assert answer is not None
    assert answer == ethernet(
        0x0806,
        struct.pack(">HHBBH6sI6sI", 1, 0x0800, 6, 4, 2, _MAC, _US, _THEIR_MAC, _THEM),
        target=_THEIR_MAC,
        sender=_MAC,
    )
    assert host.receive(arp(_US + 1)) is None
    assert host.seen() == {"10.36.0.7": {"arp": 1}}


def test_ping_comes_back_whole(host: EchoHost) -> None:
    body = b"\x00\x07\x00\x01" + bytes(range(200)) * 6
    assert parse_ip(host.receive(ip(1, b"\x08\x00\xab\xcd" + body)))[1][4:] == body


@pytest.mark.parametrize("target", [_US, TEST_GROUP])
def test_datagram_comes_back_from_the_port_that_it_went_to(host: EchoHost, target: int) -> None:
    _, payload = parse_ip(host.receive(ip(17, udp(b"hello"), target=target)))
    assert struct.unpack(">HH", payload[:4]) == (TEST_PORT, 4000)
    assert payload[8:] == b"hello"
    assert host.seen() == {"10.36.0.7": {"udp" if target == _US else "multicast": 1}}


def test_a_conversation_over_tcp(host: EchoHost) -> None:
    _, opened = parse_ip(host.receive(ip(6, tcp(_SYN))))
    _, _, first, answered, _, flags = struct.unpack(">HHIIBB", opened[:14])
    assert (answered, flags) == (101, _SYN | _ACK)
    assert opened[20:24] == struct.pack(">BBH", 2, 4, 1410)
    assert host.receive(ip(6, tcp(_ACK, number=101, expected=first + 1))) is None
    _, echoed = parse_ip(host.receive(ip(6, tcp(_ACK | _PSH, b"hello", number=101, expected=first + 1))))
    assert struct.unpack(">II", echoed[4:12]) == (first + 1, 106)
    assert echoed[13] == _ACK | _PSH and echoed[20:] == b"hello"
    _, closed = parse_ip(host.receive(ip(6, tcp(_FIN | _ACK, number=106, expected=first + 6))))
    assert struct.unpack(">II", closed[4:12]) == (first + 6, 107)
    assert closed[13] == _FIN | _ACK


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x02" * 13,
        ip(17, udp(b"x", port=53)),
        ip(17, udp(b"x", source=TEST_PORT)),
        ip(17, udp(b"x")[:6]),
        ip(17, udp(b"x"), target=_US + 1),
        ip(17, udp(b"x"), fragment=0x2000),
        ip(17, udp(b"x"), fragment=0x0010),
        ip(1, b"\x00\x00\x00\x00" + bytes(8)),
        ip(6, tcp(_RST)),
        ip(6, tcp(_ACK)),
        ip(47, b"anything"),
        ip(6, tcp(_SYN), target=TEST_GROUP),
        ethernet(0x86DD, bytes(60)),
        ethernet(0x0800, b"\x4f" + bytes(30)),
        ethernet(0x0800, ip(17, udp(b"x"))[14:], target=_THEIR_MAC),
        ethernet(0x0800, ip(17, udp(b"x"))[14:], sender=_GROUP_MAC),
    ],
)
def test_what_is_no_trial_gets_no_answer(host: EchoHost, frame: bytes) -> None:
    assert host.receive(frame) is None


def test_two_of_them_do_not_talk_to_each_other_for_ever() -> None:
    here, there = EchoHost(_MAC, _US, 1450), EchoHost(_THEIR_MAC, _THEM, 1450)
    answer = here.receive(ip(17, udp(b"hello")))
    assert answer is not None
    assert there.receive(answer) is None


def test_it_counts_no_more_senders_than_it_has_room_for(host: EchoHost) -> None:
    for number in range(200):
        body = struct.pack(">HHBBH6sI6sI", 1, 0x0800, 6, 4, 1, _THEIR_MAC, _THEM + number, bytes(6), _US)
        assert host.receive(ethernet(0x0806, body)) is not None
    assert len(host.seen()) == 64


@given(st.binary(max_size=120), st.sampled_from([0x0800, 0x0806]), st.sampled_from([_MAC, _GROUP_MAC]))
def test_no_frame_breaks_it(body: bytes, ethertype: int, target: bytes) -> None:
    answer = EchoHost(_MAC, _US, 1450).receive(ethernet(ethertype, body, target=target))
    assert answer is None or answer[:6] == _THEIR_MAC
