"""The heartbeat frames of overlay `vxlan`: Ethernet frames that travel like any frame of a container.

octets 0-5    destination: overlay_mac of the peer that shall hear it
       6-11   source: heartbeat_mac of the sender
       12-13  88 b5, the ethertype left for local experiments
       14     version, 01
       15     kind: 00 small, 01 unfragmentable and as large as the overlay's MTU allows, 02 as large but
              fragmentable; 00 and 02 through the VXLAN device
       16-23  connection UID
       24-29  name of the sender
       30-35  name of the peer that shall hear it
       36-39  number of the heartbeat, from 1
       40-    zeros
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from weave_cli.names import PeerName, pack_peer_name, unpack_peer_name
from weave_cli.router.overlay.device_macs import heartbeat_mac, overlay_mac

ETHERTYPE: Final = 0x88B5
ETHERNET_HEADER_LEN: Final = 14

_VERSION: Final = 1
_BODY: Final = struct.Struct(">BBQ6s6sI")
_ACKNOWLEDGEMENT: Final = struct.Struct(">BI")


class HeartbeatKind(IntEnum):
    """How a heartbeat travels, hence what its arrival proves."""

    PLAIN = 0
    FULL_SIZE = 1
    LARGE = 2


_KINDS: Final = frozenset(HeartbeatKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """One heartbeat, without its padding."""

    kind: HeartbeatKind
    uid: int
    sender: PeerName
    destination: PeerName
    number: int


def encode_heartbeat(heartbeat: Heartbeat, size: int = 0) -> bytes:
    """The frame, padded with zeros to `size` octets."""
    frame = (
        bytes.fromhex(overlay_mac(heartbeat.destination).replace(":", ""))
        + bytes.fromhex(heartbeat_mac(heartbeat.sender).replace(":", ""))
        + ETHERTYPE.to_bytes(2, "big")
        + _BODY.pack(
            _VERSION,
            heartbeat.kind,
            heartbeat.uid,
            pack_peer_name(heartbeat.sender),
            pack_peer_name(heartbeat.destination),
            heartbeat.number,
        )
    )
    return frame.ljust(size, b"\0")


def decode_heartbeat(frame: bytes) -> Heartbeat | None:
    """The heartbeat in a received frame; None for anything else that uses the ethertype."""
    body = frame[ETHERNET_HEADER_LEN : ETHERNET_HEADER_LEN + _BODY.size]
    if len(body) < _BODY.size:
        return None
    version, kind, uid, sender, destination, number = _BODY.unpack(body)
    if version != _VERSION or kind not in _KINDS:
        return None
    return Heartbeat(
        kind=HeartbeatKind(kind),
        uid=uid,
        sender=unpack_peer_name(sender),
        destination=unpack_peer_name(destination),
        number=number,
    )


def encode_acknowledgement(heartbeat: Heartbeat) -> bytes:
    """Body of the control message that says which heartbeat arrived: its kind, then its number."""
    return _ACKNOWLEDGEMENT.pack(heartbeat.kind, heartbeat.number)


def decode_acknowledgement(body: bytes) -> tuple[int, int] | None:
    """Kind and number; None when the body is too short. More octets than we know are ignored."""
    if len(body) < _ACKNOWLEDGEMENT.size:
        return None
    kind, number = _ACKNOWLEDGEMENT.unpack_from(body)
    return kind, number
