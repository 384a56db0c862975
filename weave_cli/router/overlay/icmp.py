"""ICMP "fragmentation needed", which tells a sender the MTU of the path (specification overlay, 3.5)."""

from __future__ import annotations

from typing import Final

from weave_cli.router.overlay.checksums import internet_checksum
from weave_cli.router.overlay.sleeve_packets import ETHERNET_HEADER_LEN

_PROTOCOL_ICMP: Final = 1
_TTL: Final = 64
_UNREACHABLE: Final = 3
_FRAGMENTATION_NEEDED: Final = 4
#: Echo, timestamp and the like; all other ICMP is about errors, and errors are not answered with errors.
_QUESTIONS: Final = frozenset({0, 8, 13, 14, 15, 16})


def fragmentation_needed(frame: bytes, header: int, mtu: int) -> bytes | None:
    """The frame that tells the sender of this one to send at most `mtu` octets of IP.

    `header` is the length of its IPv4 header. None where RFC 1122 (3.2.2) forbids an answer: to a multicast
    or broadcast, to a later fragment, to an ICMP error, to a source that is no single host.
    """
    ip = frame[ETHERNET_HEADER_LEN:]
    if not _may_be_answered(frame, ip, header):
        return None
    quoted = ip[: header + 8]
    message = bytes((_UNREACHABLE, _FRAGMENTATION_NEEDED, 0, 0, 0, 0)) + mtu.to_bytes(2, "big") + quoted
    message = message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]
    answer = (
        bytes((0x45, ip[1]))
        + (20 + len(message)).to_bytes(2, "big")
        + bytes((0, 0, 0, 0, _TTL, _PROTOCOL_ICMP, 0, 0))
        + ip[16:20]
        + ip[12:16]
    )
    answer = answer[:10] + internet_checksum(answer).to_bytes(2, "big") + answer[12:]
    return frame[6:12] + frame[0:6] + frame[12:14] + answer + message


def _may_be_answered(frame: bytes, ip: bytes, header: int) -> bool:
    if frame[0] & 1 or ip[16] >= 224:
        return False
    if ip[12] in (0, 127) or ip[12] >= 224:
        return False
    if int.from_bytes(ip[6:8], "big") & 0x1FFF:
        return False
    return ip[9] != _PROTOCOL_ICMP or (len(ip) > header and ip[header] in _QUESTIONS)
