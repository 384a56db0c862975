"""IPv4 in frames: checksums against a sum of words, fragments put together again, ICMP read back."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_cli.router.overlay.checksums import internet_checksum
from weave_cli.router.overlay.icmp import fragmentation_needed
from weave_cli.router.overlay.ip_fragments import fragment_frame, has_df, ip_header_length

MACS = bytes.fromhex("020000000002020000000001")
DF = 0x4000
MORE = 0x2000


def sum_of_words(octets: bytes) -> int:
    """The ones-complement sum as RFC 1071 tells it, word by word; 0xffff when a checksum in it is right."""
    total = 0
    for (word,) in struct.iter_unpack(">H", octets + bytes(len(octets) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


def ip_frame(
    payload: bytes,
    *,
    flags: int = 0,
    options: bytes = b"",
    protocol: int = 17,
    source: str = "10.32.0.1",
    destination: str = "10.32.0.2",
    trailer: bytes = b"",
    macs: bytes = MACS,
) -> bytes:
    """An Ethernet frame with an IPv4 packet, TOS 0xb8, identification 0x1234."""
    header = 20 + len(options)
    packed = struct.pack(
        ">BBHHHBBH4s4s",
        0x40 | header // 4,
        0xB8,
        header + len(payload),
        0x1234,
        flags,
        61,
        protocol,
        0,
        bytes(map(int, source.split("."))),
        bytes(map(int, destination.split("."))),
    )
    packed += options
    packed = packed[:10] + internet_checksum(packed).to_bytes(2, "big") + packed[12:]
    return macs + b"\x08\x00" + packed + payload + trailer


@given(st.binary(max_size=300))
def test_the_checksum_makes_the_sum_right(octets: bytes) -> None:
    even = octets + bytes(len(octets) % 2)
    assert internet_checksum(octets) == 0xFFFF - sum_of_words(octets)
    assert sum_of_words(even + internet_checksum(octets).to_bytes(2, "big")) == 0xFFFF


@pytest.mark.parametrize(
    ("octets", "checksum"), [(b"", 0xFFFF), (b"\0\0", 0xFFFF), (b"\xff\xff", 0), (b"\xff\xfe\0\1", 0)]
)
def test_both_zeros_are_told_apart(octets: bytes, checksum: int) -> None:
    assert internet_checksum(octets) == checksum


def put_together(fragments: list[bytes], first_offset: int) -> bytes:
    """The payload of the packet, after checks that every fragment is a good packet."""
    payload = bytearray()
    for number, fragment in enumerate(fragments):
        header = ip_header_length(fragment)
        assert header is not None and sum_of_words(fragment[14 : 14 + header]) == 0xFFFF
        total, _, position = struct.unpack_from(">HHH", fragment, 16)
        assert len(fragment) == 14 + total
        assert (position & 0x1FFF) * 8 == first_offset * 8 + len(payload)
        if number < len(fragments) - 1:
            assert position & MORE and (total - header) % 8 == 0
        payload += fragment[14 + header :]
    return bytes(payload)


@given(
    st.binary(min_size=1, max_size=3000),
    st.integers(68, 1500),
    st.integers(0, 10).map(lambda words: bytes([1]) * words * 4),
    st.sampled_from([0, MORE]),
    st.integers(0, 5000),
    st.binary(max_size=20),
)
def test_fragments_are_the_packet(
    payload: bytes, mtu: int, options: bytes, more: int, offset: int, trailer: bytes
) -> None:
    frame = ip_frame(payload, options=options, flags=more | offset, trailer=trailer)
    header = ip_header_length(frame)
    assert header == 20 + len(options)
    fragments = fragment_frame(frame, header, mtu)
    assert put_together(fragments, offset) == payload
    assert int.from_bytes(fragments[-1][20:22], "big") & MORE == more
    for fragment in fragments:
        assert len(fragment) <= 14 + mtu
        kept = (slice(0, 16), slice(18, 20), slice(22, 24), slice(26, 14 + header))
        assert [fragment[one] for one in kept] == [frame[one] for one in kept]


@pytest.mark.parametrize(
    ("flags", "told"), [(DF, True), (DF | MORE, True), (0, False), (MORE, False), (0x1FFF, False)]
)
def test_df_is_seen(flags: int, told: bool) -> None:
    assert has_df(ip_frame(b"x", flags=flags)) is told


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        MACS,
        MACS + b"\x08\x06" + bytes(46),
        MACS + b"\x81\x00\x00\x01\x08\x00" + ip_frame(b"x")[14:],
        MACS + b"\x86\xdd" + b"\x60" + bytes(60),
        ip_frame(b"cut")[:-1],
        ip_frame(b"")[:-1],
        MACS + b"\x08\x00\x44" + ip_frame(b"x")[15:],
        MACS + b"\x08\x00\x65" + ip_frame(b"x")[15:],
        MACS + b"\x08\x00\x4f" + ip_frame(b"x")[15:],
    ],
    ids=["none", "macs", "arp", "vlan", "ipv6", "cut", "no header", "short", "version 6", "long header"],
)
def test_what_is_not_plain_ipv4_is_left_alone(frame: bytes) -> None:
    assert ip_header_length(frame) is None


@given(st.binary(max_size=80).map(lambda octets: MACS + b"\x08\x00" + octets))
def test_no_octets_do_harm(frame: bytes) -> None:
    header = ip_header_length(frame)
    if header is not None:
        assert fragment_frame(frame, header, 68) or int.from_bytes(frame[16:18], "big") == header
        fragmentation_needed(frame, header, 1400)


@given(
    st.binary(max_size=200), st.integers(68, 65535), st.integers(0, 10).map(lambda words: bytes(words * 4))
)
def test_the_answer_to_a_big_packet_is_good_icmp(payload: bytes, mtu: int, options: bytes) -> None:
    frame = ip_frame(payload, flags=DF, options=options, protocol=6)
    header = 20 + len(options)
    answer = fragmentation_needed(frame, header, mtu)
    assert answer is not None
    assert answer[:14] == MACS[6:] + MACS[:6] + b"\x08\x00"
    assert ip_header_length(answer) == 20
    ip, icmp = answer[14:34], answer[34:]
    assert sum_of_words(ip) == sum_of_words(icmp) == 0xFFFF
    assert ip[:2] == b"\x45\xb8" and int.from_bytes(ip[2:4], "big") == len(ip) + len(icmp)
    assert ip[4:10] == bytes((0, 0, 0, 0, 64, 1))
    assert ip[12:20] == bytes((10, 32, 0, 2, 10, 32, 0, 1))
    assert icmp[:2] == b"\3\4" and icmp[4:8] == b"\0\0" + mtu.to_bytes(2, "big")
    assert icmp[8:] == frame[14 : 14 + header + 8]


@pytest.mark.parametrize(
    "frame",
    [
        ip_frame(bytes(20), flags=DF, macs=b"\xff" * 6 + MACS[6:]),
        ip_frame(bytes(20), flags=DF, destination="224.0.0.1"),
        ip_frame(bytes(20), flags=DF, source="0.0.0.0"),
        ip_frame(bytes(20), flags=DF, source="224.0.0.1"),
        ip_frame(bytes(20), flags=DF | 1),
        ip_frame(b"\3" + bytes(19), flags=DF, protocol=1),
        ip_frame(b"", flags=DF, protocol=1),
    ],
    ids=["broadcast", "multicast", "nobody", "from a group", "later fragment", "icmp error", "empty icmp"],
)
def test_some_packets_are_not_answered(frame: bytes) -> None:
    assert fragmentation_needed(frame, 20, 1400) is None


def test_a_big_ping_is_answered() -> None:
    assert fragmentation_needed(ip_frame(b"\x08" + bytes(19), flags=DF, protocol=1), 20, 1400) is not None
