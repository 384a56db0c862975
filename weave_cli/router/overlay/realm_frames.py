"""Frames of realms on their way through the mesh by sleeve: the mark that they carry. Pure.

    octets 0-11   destination and source MAC address, as in the frame itself
           12-13  88 b6, the second ethertype that is left for local experiments
           14     version, 01
           15-17  number of the realm
           18-    the frame from its ethertype on

Such a frame is always for one peer, which has said that it has the realm; those on the way, Go routers
included, hand it on by the names of the peers. Nobody ever puts it into a bridge with its mark.
"""

from __future__ import annotations

from typing import Final

ETHERTYPE: Final = b"\x88\xb6"
MARK_LEN: Final = 6
_MACS_LEN: Final = 12
_VERSION: Final = 1


def mark_of(vni: int) -> bytes:
    """What stands between MAC addresses and ethertype."""
    return ETHERTYPE + bytes((_VERSION,)) + vni.to_bytes(3, "big")


def mark_frame(frame: bytes, mark: bytes) -> bytes:
    """The frame as it travels."""
    return frame[:_MACS_LEN] + mark + frame[_MACS_LEN:]


def unmark_frame(marked: bytes) -> tuple[bytes, bytes] | None:
    """The mark and the frame without it; None when it is not whole, or of another version."""
    if len(marked) < _MACS_LEN + MARK_LEN + 2 or marked[14] != _VERSION:
        return None
    return marked[_MACS_LEN : _MACS_LEN + MARK_LEN], marked[:_MACS_LEN] + marked[_MACS_LEN + MARK_LEN :]


def vni_of(mark: bytes) -> int:
    """The number in a mark."""
    return int.from_bytes(mark[3:6], "big")
