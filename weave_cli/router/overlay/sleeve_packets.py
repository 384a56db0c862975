"""Sleeve packets as octets (specification overlay, 2.1-2.4). Knows no keys: sealing is another room.

A UDP payload is the name of the router that sends it, then a list of frames; with a session key the list is
sealed and a sequence number stands before it:

    plain     6 sender | list
    sealed    6 sender | 8 sequence number | 16 tag | list, enciphered
    list      any number of: 6 source peer | 6 destination peer | 2 length L | L octets of Ethernet frame
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, pack_peer_name, unpack_peer_name

NAME_LEN: Final = 6
#: Source peer, destination peer, length.
FRAME_HEADER_LEN: Final = 14
ETHERNET_HEADER_LEN: Final = 14
#: IPv4 header without options, and UDP header.
UDP_OVERHEAD: Final = 28
LARGEST_IP_PACKET: Final = 65535
LARGEST_PAYLOAD: Final = LARGEST_IP_PACKET - UDP_OVERHEAD

PLAIN_PACKET_OVERHEAD: Final = NAME_LEN
#: Name, sequence number, tag of the secretbox.
SEALED_PACKET_OVERHEAD: Final = NAME_LEN + 8 + 16

HEARTBEAT_LEN: Final = ETHERNET_HEADER_LEN + 8
FRAGMENTATION_TEST_LEN: Final = 60001
#: A frame as long as this is sent only to hear from the kernel what the path carries.
PATH_PROBE_LEN: Final = 60000

_SPECIAL_HEADER: Final = bytes(ETHERNET_HEADER_LEN)


@dataclass(frozen=True, slots=True)
class PeerFrame:
    """A frame, with the peer that captured it and the one that shall deliver it."""

    source: PeerName
    destination: PeerName
    frame: bytes


def path_overhead(is_sealed: bool) -> int:
    """Octets between the MTU of the path and the MTU offered to containers: 62, sealed 86."""
    packet = SEALED_PACKET_OVERHEAD if is_sealed else PLAIN_PACKET_OVERHEAD
    return UDP_OVERHEAD + packet + FRAME_HEADER_LEN + ETHERNET_HEADER_LEN


def encode_frames(frames: Iterable[PeerFrame]) -> bytes:
    """The list of frames in a packet."""
    return b"".join(
        pack_peer_name(one.source)
        + pack_peer_name(one.destination)
        + len(one.frame).to_bytes(2, "big")
        + one.frame
        for one in frames
    )


def decode_frames(octets: bytes) -> list[PeerFrame]:
    """The frames of a packet's list. RemoteProtocolError when it ends in the middle of one."""
    frames: list[PeerFrame] = []
    at, end = 0, len(octets)
    while end - at >= FRAME_HEADER_LEN:
        start = at + FRAME_HEADER_LEN
        length = int.from_bytes(octets[start - 2 : start], "big")
        if end - start < length:
            raise RemoteProtocolError(
                f"sleeve packet too short: frame of {length} octets, {end - start} left"
            )
        frames.append(
            PeerFrame(
                unpack_peer_name(octets[at : at + 6]),
                unpack_peer_name(octets[at + 6 : at + 12]),
                octets[start : start + length],
            )
        )
        at = start + length
    if at != end:
        raise RemoteProtocolError(f"sleeve packet has {end - at} octets of trailing garbage")
    return frames


def is_special(frame: bytes) -> bool:
    """Whether routers talk to each other in this frame: MAC addresses and type are all zero."""
    return frame[:ETHERNET_HEADER_LEN] == _SPECIAL_HEADER


def encode_heartbeat(connection_uid: int) -> bytes:
    """The special frame that says: I am the other end of this connection."""
    return _SPECIAL_HEADER + connection_uid.to_bytes(8, "big")


def zero_frame(length: int) -> bytes:
    """A special frame whose length is its meaning."""
    return bytes(length)
