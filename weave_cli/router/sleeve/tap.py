"""The TAP device through which frames enter and leave the bridge."""

from __future__ import annotations

import errno
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
_FLAGS_AT: Final = 16


class Tap:
    """Frames that are read have complete checksums; those written in a row may be given on as one."""

    def __init__(self, fd: int) -> None:
        """`fd` is attached to its device already, with a virtio header. OSError when it is no TAP."""
        self.fd = fd
        os.set_blocking(fd, False)
        answer = fcntl.ioctl(fd, _TUNGETIFF, bytes(_IFREQ_LEN))
        (flags,) = struct.unpack_from("=H", answer, _FLAGS_AT)
        if not flags & _IFF_VNET_HDR:
            raise OSError(errno.EINVAL, "the TAP device has no virtio header")
        fcntl.ioctl(fd, _TUNSETVNETHDRSZ, struct.pack("=i", VIRTIO_HEADER_LEN))
        self._joiner = SegmentJoiner()

    def read(self) -> bytes:
        """The next frame that the bridge sent here. BlockingIOError when there is none."""
        return os.read(self.fd, _LARGEST_READ)[VIRTIO_HEADER_LEN:]

    def write(self, frame: bytes) -> None:
        """Give a frame to the bridge. OSError when the device refuses it."""
        os.write(self.fd, NO_OFFLOAD + frame)

    def write_joined(self, frame: bytes) -> None:
        """The same for a frame whose octets are sure; it may wait for others until `flush`."""
        self._write_all(self._joiner.add(frame))

    def close(self) -> None:
        """Let go of the device."""
        os.close(self.fd)

    def flush(self) -> None:
        """Give what waits to the bridge. OSError when the device refuses it."""
        self._write_all(self._joiner.flush())

    def _write_all(self, joined: Sequence[list[bytes]]) -> None:
        for parts in joined:
            os.writev(self.fd, parts)
