"""Joins TCP segments that follow each other, so that the kernel takes them as one. Sans-I/O.

What a bridge, a veth and a TCP stack do for a frame costs the same whether it carries one segment or forty.
The kernel joins segments as they come from a network card (GRO); frames that come out of a TAP device are
joined here instead. They are given to the kernel with the header of virtio-net, which says how the frame may
be cut into segments again (linux/virtio_net.h, in the byte order of the machine):

    octet 0   flags: 1, the checksum is to be completed
          1   kind: 1, TCP over IPv4
          2-3 length of all headers | 4-5 octets of payload in a segment
          6-7 where the checksummed part begins | 8-9 where in it the checksum is

Rules as in the kernel: same addresses, ports, acknowledgement, window, flags and options; the next in
sequence; all of one size but the last; nothing after PSH. The checksum of a segment is not looked at: join
only what came through something that vouches for its octets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from weave_cli.router.overlay.checksums import internet_checksum
from weave_cli.router.overlay.sleeve_packets import LARGEST_IP_PACKET

VIRTIO_HEADER_LEN: Final = 10
NO_OFFLOAD: Final = bytes(VIRTIO_HEADER_LEN)

_VIRTIO: Final = struct.Struct("=BBHHHH")
_NEEDS_CHECKSUM: Final = 1
_GSO_TCPV4: Final = 1
_CHECKSUM_OFFSET: Final = 16

# Offsets in a frame with an IPv4 header of 20 octets
_IP: Final = 14
_TCP: Final = 34
_LEAST_HEADER_LEN: Final = 54
#: Ethertype, version and header length; then protocol TCP.
_IPV4_WITHOUT_OPTIONS: Final = b"\x08\x00\x45"
_PROTOCOL_TCP: Final = 6
_WHOLE: Final = (b"\x40\x00", b"\x00\x00")
_ACK: Final = 0x10
_PSH: Final = 0x08

#: What os.writev takes together: virtio header, headers, payloads.
Joined = list[bytes]


@dataclass(slots=True)
class _Run:
    """Segments of one flow, so far."""

    first: bytes
    header_len: int
    segment_len: int
    payloads: list[bytes]
    size: int
    next_sequence: bytes
    is_pushed: bool


class SegmentJoiner:
    """Takes frames in order; gives back what is to be written now, in order within each flow."""

    def __init__(self) -> None:
        self._runs: dict[bytes, _Run] = {}

    def add(self, frame: bytes) -> list[Joined]:
        """What is to be written before the rest; the frame may be in it, or wait for others."""
        if frame[12:15] != _IPV4_WITHOUT_OPTIONS or frame[23:24] != b"\x06":
            return [[NO_OFFLOAD, frame]]
        flow = frame[:12] + frame[26:38]
        run = self._runs.get(flow)
        if run is not None:
            if self._extend(run, frame):
                is_full = run.size + run.segment_len > LARGEST_IP_PACKET
                if run.is_pushed or is_full or len(frame) < run.segment_len:
                    del self._runs[flow]
                    return [_join(run)]
                return []
            del self._runs[flow]
            return [_join(run), *self._begin(flow, frame)]
        return self._begin(flow, frame)

    def flush(self) -> list[Joined]:
        """All that waits."""
        if not self._runs:
            return []
        runs, self._runs = self._runs, {}
        return [_join(run) for run in runs.values()]

    def _extend(self, run: _Run, frame: bytes) -> bool:
        """Whether the frame is the next of the run; it is part of it then."""
        first, header_len = run.first, run.header_len
        if (
            frame[38:42] != run.next_sequence
            or len(frame) > run.segment_len
            or frame[42:47] != first[42:47]
            or frame[47] | _PSH != first[47] | _PSH
            or frame[48:50] != first[48:50]
            or frame[54:header_len] != first[54:header_len]
            or frame[20:24] != first[20:24]
            or frame[15] != first[15]
            or len(frame) <= header_len
            or (frame[16] << 8 | frame[17]) != len(frame) - _IP
        ):
            return False
        payload = frame[header_len:]
        run.payloads.append(payload)
        run.size += len(payload)
        run.next_sequence = _advance(run.next_sequence, len(payload))
        run.is_pushed = bool(frame[47] & _PSH)
        return True

    def _begin(self, flow: bytes, frame: bytes) -> list[Joined]:
        """The first segment of a run, if others may follow it."""
        if len(frame) > _LEAST_HEADER_LEN and frame[47] == _ACK and frame[20:22] in _WHOLE:
            header_len = _TCP + (frame[46] >> 4) * 4
            if (
                _LEAST_HEADER_LEN <= header_len < len(frame)
                and (frame[16] << 8 | frame[17]) == len(frame) - _IP
            ):
                payload = frame[header_len:]
                sequence = _advance(frame[38:42], len(payload))
                run = _Run(frame, header_len, len(frame), [payload], len(frame), sequence, False)
                self._runs[flow] = run
                return []
        return [[NO_OFFLOAD, frame]]


def _advance(sequence: bytes, length: int) -> bytes:
    return (int.from_bytes(sequence, "big") + length & 0xFFFFFFFF).to_bytes(4, "big")


def _join(run: _Run) -> Joined:
    """One frame for the kernel; a single segment stays as it came."""
    if len(run.payloads) == 1:
        return [NO_OFFLOAD, run.first]
    header = bytearray(run.first[: run.header_len])
    tcp_len = run.size - _TCP
    header[16:18] = (run.size - _IP).to_bytes(2, "big")
    header[24:26] = b"\0\0"
    header[24:26] = internet_checksum(bytes(header[_IP:_TCP])).to_bytes(2, "big")
    if run.is_pushed:
        header[47] |= _PSH
    # The kernel completes the sum of the pseudo header.
    pseudo = bytes(header[26:34]) + bytes((0, _PROTOCOL_TCP)) + tcp_len.to_bytes(2, "big")
    header[50:52] = (0xFFFF - internet_checksum(pseudo)).to_bytes(2, "big")
    virtio = _VIRTIO.pack(
        _NEEDS_CHECKSUM,
        _GSO_TCPV4,
        run.header_len,
        run.segment_len - run.header_len,
        _TCP,
        _CHECKSUM_OFFSET,
    )
    return [virtio, bytes(header), *run.payloads]
