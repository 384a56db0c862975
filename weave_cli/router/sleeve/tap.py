"""The TAP device through which frames enter and leave the bridge."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Sequence
from typing import Final

from weave_cli.router.overlay.tcp_segments import NO_OFFLOAD, VIRTIO_HEADER_LEN, SegmentJoiner

#: Frames are at most as long as the MTU of the bridge allows, and that is at most this.
_LARGEST_READ: Final = 65536 + 64

# linux/if_tun.h
_TUNGETIFF: Final = 0x800454D2
_TUNSETVNETHDRSZ: Final = 0x400454D8
_IFF_VNET_HDR: Final = 0x4000
_IFREQ_LEN: Final = 40


class Tap:
    """Frames that are read have complete checksums; those written in a row may be given on as one."""

    def __init__(self, fd: int) -> None:
        """`fd` is attached to its device already. OSError when it is no TAP."""
        self.fd = fd
        os.set_blocking(fd, False)
        answer = fcntl.ioctl(fd, _TUNGETIFF, bytes(_IFREQ_LEN))
        (flags,) = struct.unpack_from("=H", answer, 16)
        self._joiner = SegmentJoiner() if flags & _IFF_VNET_HDR else None
        if self._joiner is not None:
            fcntl.ioctl(fd, _TUNSETVNETHDRSZ, struct.pack("=i", VIRTIO_HEADER_LEN))

    def read(self) -> bytes:
        """The next frame that the bridge sent here. BlockingIOError when there is none."""
        frame = os.read(self.fd, _LARGEST_READ)
        return frame if self._joiner is None else frame[VIRTIO_HEADER_LEN:]

    def write(self, frame: bytes) -> None:
        """Give a frame to the bridge. OSError when the device refuses it."""
        os.write(self.fd, frame if self._joiner is None else NO_OFFLOAD + frame)

    def write_joined(self, frame: bytes) -> None:
        """The same for a frame whose octets are sure; it may wait for others until `flush`."""
        if self._joiner is None:
            os.write(self.fd, frame)
        else:
            self._write_all(self._joiner.add(frame))

    def flush(self) -> None:
        """Give what waits to the bridge. OSError when the device refuses it."""
        if self._joiner is not None:
            self._write_all(self._joiner.flush())

    def _write_all(self, joined: Sequence[list[bytes]]) -> None:
        for parts in joined:
            os.writev(self.fd, parts)
