"""IPv4 inside Ethernet frames, as far as forwarding looks into it (specification overlay, 3.4).

Only plain Ethernet frames with IPv4 are looked into: no VLAN tags, no IPv6. Offsets in the frame:

    12-13 ethertype | 14 version, header length in words | 16-17 total length | 18-19 identification
    20-21 flags (0x4000 don't fragment, 0x2000 more fragments), offset in units of 8 octets | 24-25 checksum
"""

from __future__ import annotations

from typing import Final

from weave_cli.router.overlay.checksums import internet_checksum
from weave_cli.router.overlay.sleeve_packets import ETHERNET_HEADER_LEN

IPV4_ETHERTYPE: Final = b"\x08\x00"
LEAST_IP_HEADER_LEN: Final = 20

_DF_OCTET: Final = 0x40
_MORE_FRAGMENTS: Final = 0x2000
_OFFSET_MASK: Final = 0x1FFF
_UNIT: Final = 8


def ip_header_length(frame: bytes) -> int | None:
    """Octets of the IPv4 header; None when the frame holds no IPv4 packet, or not the whole of it."""
    if len(frame) < ETHERNET_HEADER_LEN + LEAST_IP_HEADER_LEN or frame[12:14] != IPV4_ETHERTYPE:
        return None
    header = (frame[14] & 0x0F) * 4
    total = int.from_bytes(frame[16:18], "big")
    if frame[14] >> 4 != 4 or not LEAST_IP_HEADER_LEN <= header <= total <= len(frame) - ETHERNET_HEADER_LEN:
        return None
    return header


def has_df(frame: bytes) -> bool:
    """Whether the IPv4 packet, which the caller knows to be one, must not be fragmented."""
    return bool(frame[20] & _DF_OCTET)


def fragment_frame(frame: bytes, header: int, mtu: int) -> list[bytes]:
    """The frames whose IPv4 packets of at most `mtu` octets are together the packet of this one.

    `header` is what ip_header_length said. `mtu` must hold the header and 8 octets. Options are copied into
    each fragment, as Go routers do.
    """
    start = ETHERNET_HEADER_LEN + header
    end = ETHERNET_HEADER_LEN + int.from_bytes(frame[16:18], "big")
    position = int.from_bytes(frame[20:22], "big")
    more_follow = position & _MORE_FRAGMENTS
    step = (mtu - header) // _UNIT * _UNIT
    fragments = []
    for at in range(start, end, step):
        piece = frame[at : min(at + step, end)]
        is_last = at + step >= end
        offset = (position & _OFFSET_MASK) + (at - start) // _UNIT
        fragments.append(
            _with_header(frame, header, more_follow if is_last else _MORE_FRAGMENTS, offset, piece)
        )
    return fragments


def _with_header(frame: bytes, header: int, flags: int, offset: int, piece: bytes) -> bytes:
    ip = bytearray(frame[ETHERNET_HEADER_LEN : ETHERNET_HEADER_LEN + header])
    ip[2:4] = (header + len(piece)).to_bytes(2, "big")
    ip[6:8] = (flags | offset).to_bytes(2, "big")
    ip[10:12] = b"\0\0"
    ip[10:12] = internet_checksum(bytes(ip)).to_bytes(2, "big")
    return frame[:ETHERNET_HEADER_LEN] + bytes(ip) + piece
