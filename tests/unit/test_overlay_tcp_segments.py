"""Joined segments are the segments: cut again as the virtio header says, by code that is not ours."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_overlay_ip import DF, MACS, ip_frame, sum_of_words
from weave_cli.router.overlay.tcp_segments import NO_OFFLOAD, SegmentJoiner

ACK, PSH, FIN, SYN, CWR = 0x10, 0x08, 0x01, 0x02, 0x80
TIMESTAMPS = b"\x01\x01\x08\x0a" + bytes(range(8))


def segment(
    sequence: int,
    payload: bytes,
    *,
    flags: int = ACK,
    port: int = 40000,
    acknowledged: int = 77,
    window: int = 500,
    options: bytes = TIMESTAMPS,
    trailer: bytes = b"",
) -> bytes:
    """A frame with one TCP segment whose checksums are right."""
    header = struct.pack(
        ">HHIIBBHHH",
        port,
        5001,
        sequence % 2**32,
        acknowledged,
        (20 + len(options)) << 2,
        flags,
        window,
        0,
        0,
    )
    tcp = bytearray(header + options + payload)
    pseudo = bytes((10, 32, 0, 1, 10, 32, 0, 2, 0, 6)) + len(tcp).to_bytes(2, "big")
    tcp[16:18] = (0xFFFF - sum_of_words(pseudo + bytes(tcp))).to_bytes(2, "big")
    return ip_frame(bytes(tcp), flags=DF, protocol=6, trailer=trailer)


def cut(written: list[bytes]) -> list[bytes]:
    """What the kernel makes of one frame with its virtio header; identifications stay as they are."""
    octets = b"".join(written)
    flags, kind, header_len, size, start, offset = struct.unpack_from("=BBHHHH", octets)
    frame = octets[10:]
    if (flags, kind) == (0, 0):
        return [frame]
    assert (flags, kind, start, offset) == (1, 1, 34, 16)
    assert int.from_bytes(frame[16:18], "big") == len(frame) - 14 <= 65535
    assert sum_of_words(frame[14:34]) == 0xFFFF
    segments = []
    for at in range(header_len, len(frame), size):
        payload = frame[at : at + size]
        is_last = at + size >= len(frame)
        ip = bytearray(frame[14:34])
        ip[2:4] = (header_len - 14 + len(payload)).to_bytes(2, "big")
        ip[10:12] = b"\0\0"
        ip[10:12] = (0xFFFF - sum_of_words(bytes(ip))).to_bytes(2, "big")
        tcp = bytearray(frame[34:header_len])
        sequence = int.from_bytes(tcp[4:8], "big") + at - header_len
        tcp[4:8] = (sequence % 2**32).to_bytes(4, "big")
        if not is_last:
            tcp[13] &= ~(PSH | FIN)
        field = int.from_bytes(tcp[16:18], "big")
        # Partial sum of the whole, corrected by the difference of the lengths (as in tcp_gso_segment).
        field += 0xFFFF - ((len(frame) - 34) & 0xFFFF) + len(tcp) + len(payload)
        tcp[16:18] = b"\0\0"
        total = sum_of_words(struct.pack(">I", field) + bytes(tcp) + payload)
        tcp[16:18] = (0xFFFF - total).to_bytes(2, "big")
        segments.append(frame[:14] + bytes(ip) + bytes(tcp) + payload)
    return segments


def join(*frames: bytes) -> list[list[bytes]]:
    joiner = SegmentJoiner()
    written = [one for frame in frames for one in joiner.add(frame)] + joiner.flush()
    assert joiner.flush() == []
    return written


def run(count: int, size: int = 1000, start: int = 1) -> list[bytes]:
    return [segment(start + number * size, bytes([number % 256]) * size) for number in range(count)]


def test_segments_in_a_row_become_one_frame() -> None:
    frames = run(40)
    written = join(*frames)
    assert len(written) == 1 and cut(written[0]) == frames


def test_a_shorter_segment_ends_the_run() -> None:
    frames = [*run(3), segment(3001, b"short"), segment(3006, bytes(1000))]
    written = join(*frames)
    assert [cut(one) for one in written] == [frames[:4], frames[4:]]


def test_a_pushed_segment_ends_the_run() -> None:
    frames = [*run(2), segment(2001, bytes(1000), flags=ACK | PSH), *run(2, start=3001)]
    written = join(*frames)
    assert [cut(one) for one in written] == [frames[:3], frames[3:]]


def test_a_frame_holds_what_an_ip_packet_holds() -> None:
    frames = run(150, 1386)
    written = join(*frames)
    assert len(written) == 4 and [one for joined in written for one in cut(joined)] == frames


def test_numbers_of_octets_wrap() -> None:
    frames = run(4, start=2**32 - 1500)
    assert [cut(one) for one in join(*frames)] == [frames]


@pytest.mark.parametrize(
    "other",
    [
        segment(3001, bytes(1000)),
        segment(1, bytes(1000)),
        segment(2001, bytes(1001)),
        segment(2001, bytes(1000), acknowledged=78),
        segment(2001, bytes(1000), window=501),
        segment(2001, bytes(1000), options=TIMESTAMPS[:-1] + b"\xff"),
        segment(2001, bytes(1000), options=b""),
        segment(2001, bytes(1000), flags=ACK | FIN),
        segment(2001, bytes(1000), flags=ACK | CWR),
        segment(2001, b""),
        segment(2001, bytes(900), trailer=bytes(100)),
    ],
    ids=["gap", "again", "longer", "ack", "window", "options", "no options", "fin", "cwr", "empty", "padded"],
)
def test_what_does_not_follow_is_written_after_the_run(other: bytes) -> None:
    frames = [*run(2), other]
    written = join(*frames)
    assert [cut(one) for one in written] == [frames[:2], [other]]


def test_flows_do_not_end_each_others_runs() -> None:
    one = run(5)
    other = [segment(number * 100, bytes(100), port=40001) for number in range(5)]
    written = join(*(frame for pair in zip(one, other, strict=True) for frame in pair))
    assert [cut(joined) for joined in written] == [one, other]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        MACS,
        MACS + b"\x08\x06" + bytes(46),
        MACS + b"\x86\xdd" + bytes(60),
        ip_frame(bytes(500), protocol=17),
        ip_frame(bytes(500), protocol=6, options=bytes(4)),
        ip_frame(bytes(500), protocol=6, flags=0x2000),
        ip_frame(bytes(500), protocol=6, flags=100),
        ip_frame(bytes(10), protocol=6),
        segment(1, bytes(100), flags=SYN),
    ],
)
def test_what_is_no_segment_in_a_row_is_written_at_once(frame: bytes) -> None:
    assert SegmentJoiner().add(frame) == [[NO_OFFLOAD, frame]]


_SEGMENTS = st.builds(
    segment,
    st.sampled_from([1, 11, 21, 31, 41, 2**32 - 10]),
    st.sampled_from([b"", b"0123456789", b"abcdefghij", b"x"]),
    flags=st.sampled_from([ACK, ACK, ACK, ACK | PSH, ACK | FIN, SYN]),
    port=st.sampled_from([1, 2]),
    acknowledged=st.sampled_from([7, 7, 7, 8]),
    options=st.sampled_from([b"", TIMESTAMPS]),
)


@given(st.lists(_SEGMENTS, max_size=40))
def test_every_flow_gets_its_segments_in_order(frames: list[bytes]) -> None:
    segments = [one for joined in join(*frames) for one in cut(joined)]
    for port in (b"\0\1", b"\0\2"):
        of_flow = [one for one in segments if one[34:36] == port]
        assert of_flow == [one for one in frames if one[34:36] == port]


@given(st.lists(st.binary(max_size=80).map(lambda octets: MACS + b"\x08\x00\x45" + octets), max_size=10))
def test_no_octets_do_harm(frames: list[bytes]) -> None:
    join(*frames)
