"""The TAP device through which frames enter and leave the bridge."""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

#: Frames are at most as long as the MTU of the bridge allows, and that is at most this.
_LARGEST_READ: Final = 65536 + 64

# linux/if_tun.h
_TUNGETIFF: Final = 0x800454D2
_TUNGETVNETHDRSZ: Final = 0x800454D7
_IFF_VNET_HDR: Final = 0x4000
_IFREQ_LEN: Final = 40


class Tap:
    """One frame a call, in whole; checksums are complete both ways."""

    def __init__(self, fd: int) -> None:
        """`fd` is attached to its device already. OSError when it is no TAP."""
        self.fd = fd
        os.set_blocking(fd, False)
        answer = fcntl.ioctl(fd, _TUNGETIFF, bytes(_IFREQ_LEN))
        (flags,) = struct.unpack_from("=H", answer, 16)
        self._header_len = 0
        if flags & _IFF_VNET_HDR:
            (self._header_len,) = struct.unpack("=i", fcntl.ioctl(fd, _TUNGETVNETHDRSZ, bytes(4)))
        self._no_offload = bytes(self._header_len)

    def read(self) -> bytes:
        """The next frame that the bridge sent here. BlockingIOError when there is none."""
        frame = os.read(self.fd, _LARGEST_READ)
        return frame[self._header_len :] if self._header_len else frame

    def write(self, frame: bytes) -> None:
        """Give a frame to the bridge. OSError when the device refuses it."""
        os.write(self.fd, self._no_offload + frame)
