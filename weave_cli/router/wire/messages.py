"""Messages between introduced routers: tags, and what follows (specification mesh, section 8). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.wire.gob_decode import decode_stream
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_types import BYTES, STRING, UINT


class Tag(IntEnum):
    """First octet of every message."""

    HEARTBEAT = 0
    OVERLAY_ESTABLISHED = 1
    OVERLAY_FRAGMENTATION = 2
    OVERLAY_MTU = 3
    GOSSIP = 4
    UNICAST = 5
    BROADCAST = 6
    OVERLAY_CONTROL = 7


@dataclass(frozen=True, slots=True)
class Gossip:
    """Payload of GOSSIP (source: the neighbour that sends it) and BROADCAST (source: the originator)."""

    channel: str
    source: PeerName
    data: bytes


@dataclass(frozen=True, slots=True)
class Unicast:
    """Payload of UNICAST; relayed unchanged towards its destination."""

    channel: str
    source: PeerName
    destination: PeerName
    data: bytes


@dataclass(frozen=True, slots=True)
class OverlayControl:
    """Payload of OVERLAY_CONTROL; index counts the overlays that both sides have in common."""

    index: int
    sub_tag: int
    body: bytes


def encode_gossip(message: Gossip) -> bytes:
    """The payload of tags 4 and 6 (specification mesh, section 11.2)."""
    return encode_stream((STRING, message.channel), (UINT, message.source), (BYTES, message.data))


def decode_gossip(payload: bytes) -> Gossip:
    """Raises RemoteProtocolError."""
    channel, source, data = decode_stream(payload, STRING, UINT, BYTES)
    return Gossip(channel, _peer(source), data)


def encode_unicast(message: Unicast) -> bytes:
    """The payload of tag 5."""
    return encode_stream(
        (STRING, message.channel), (UINT, message.source), (UINT, message.destination), (BYTES, message.data)
    )


def decode_unicast(payload: bytes) -> Unicast:
    """Raises RemoteProtocolError."""
    channel, source, destination, data = decode_stream(payload, STRING, UINT, UINT, BYTES)
    return Unicast(channel, _peer(source), _peer(destination), data)


def encode_overlay_control(control: OverlayControl) -> bytes:
    """The payload of tag 7: two octets and the body."""
    return bytes((control.index, control.sub_tag)) + control.body


def decode_overlay_control(payload: bytes) -> OverlayControl:
    """Raises RemoteProtocolError; Go routers crash where this refuses."""
    if len(payload) < 2:
        raise RemoteProtocolError(f"overlay control message of {len(payload)} octets")
    return OverlayControl(payload[0], payload[1], payload[2:])


def _peer(number: int) -> PeerName:
    if number >= 1 << 48:
        raise RemoteProtocolError(f"peer name of more than six octets: {number:#x}")
    return PeerName(number)
