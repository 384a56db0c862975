"""The MAC addresses of our own devices, as functions of the peer's name, so that every peer can tell them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from weave_cli.names import UNKNOWN_PEER, PeerName, format_peer_name, pack_peer_name

_GROUP_BIT: Final = 1 << 40


def bridge_mac(name: PeerName) -> str:
    """The weave bridge's address: the peer's name itself, unless no device may have that address."""
    if name == UNKNOWN_PEER or name & _GROUP_BIT:
        return _derive(b"weave bridge ", name)
    return format_peer_name(name)


def overlay_mac(name: PeerName) -> str:
    """The address of the peer's VXLAN device: heartbeats are sent to it."""
    return _derive(b"weave overlay ", name)


def heartbeat_mac(name: PeerName) -> str:
    """The source of the peer's heartbeats, which no device has.

    Kernels learn it from them, from whatever address of the peer they come, and while the peer's frames go
    another way they must learn nothing else.
    """
    return _derive(b"weave heartbeat ", name)


def realm_macs(name: PeerName, vni: int) -> tuple[str, str]:
    """The addresses of a realm's bridge and of its VXLAN device; nobody sends to them."""
    number = vni.to_bytes(3, "big")
    return _derive(b"weave realm bridge " + number, name), _derive(b"weave realm vxlan " + number, name)


@lru_cache(maxsize=1024)
def _derive(label: bytes, name: PeerName) -> str:
    """A locally administered unicast address."""
    octets = bytearray(hashlib.sha256(label + pack_peer_name(name)).digest()[:6])
    octets[0] = octets[0] & 0xFE | 0x02
    return octets.hex(":")
