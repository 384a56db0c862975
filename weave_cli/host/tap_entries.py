"""The bridge's forwarding entries of the TAP port: which MAC addresses are reached through it.

They are marked as learned elsewhere (NTF_EXT_LEARNED): they do not grow old by themselves, and a frame with
that source on another port of the bridge takes the entry over, so that a container which moves is reached at
once. The messages are made here, not by pyroute2: a thousand of them take the kernel two milliseconds, so
that an event loop may send them itself.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem

# From the kernel's netlink.h, rtnetlink.h and neighbour.h
_NLMSG_ERROR: Final = 2
_RTM_NEWNEIGH: Final = 28
_RTM_DELNEIGH: Final = 29
_NLM_F_REQUEST: Final = 0x1
_NLM_F_CREATE_OR_REPLACE: Final = 0x500
_NUD_REACHABLE: Final = 0x02
_NTF_MASTER: Final = 0x04
_NTF_EXT_LEARNED: Final = 0x10
_NDA_LLADDR: Final = 2

#: Length, type, flags, sequence number, port of the message; family, device, state, flags, type of the
#: entry; length, type of the attribute, and the MAC address, padded to four octets.
_MESSAGE: Final = struct.Struct("=IHHIIBxxxiHBBHH6sxx")
_ERROR: Final = struct.Struct("=IHHIIi")

#: Messages sent at once; the answers to so many fit a socket's buffer, should all of them be refused.
_BATCH: Final = 100


class TapEntries:
    """Entries of one port, through a netlink socket in the namespace of who made it."""

    def __init__(self, index: int) -> None:
        """`index`: the TAP device's."""
        self._index = index
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
        )
        self._socket.bind((0, 0))

    def put(self, macs: Iterable[bytes]) -> None:
        """These MAC addresses, six octets each, are behind the port from now on, wherever they were.

        Raises HostProblem when the kernel refuses.
        """
        self._change(macs, _RTM_NEWNEIGH, _NLM_F_REQUEST | _NLM_F_CREATE_OR_REPLACE, ignored=())

    def drop(self, macs: Iterable[bytes]) -> None:
        """They are not; those that another port took over stay there. Raises HostProblem."""
        self._change(macs, _RTM_DELNEIGH, _NLM_F_REQUEST, ignored=(errno.ENOENT,))

    def close(self) -> None:
        self._socket.close()

    def _change(self, macs: Iterable[bytes], kind: int, flags: int, *, ignored: Sequence[int]) -> None:
        messages = [self._message(mac, kind, flags) for mac in macs]
        for start in range(0, len(messages), _BATCH):
            self._socket.send(b"".join(messages[start : start + _BATCH]))
            refusals = self._refusals() - set(ignored)
            if refusals:
                reason = os.strerror(min(refusals))
                raise HostProblem(
                    f"cannot change the bridge's entries of its TAP port: {reason}", code=Code.KERNEL
                )

    def _message(self, mac: bytes, kind: int, flags: int) -> bytes:
        return _MESSAGE.pack(
            *(_MESSAGE.size, kind, flags, 0, 0),
            *(socket.AF_BRIDGE, self._index, _NUD_REACHABLE, _NTF_MASTER | _NTF_EXT_LEARNED, 0),
            *(4 + len(mac), _NDA_LLADDR, mac),
        )

    def _refusals(self) -> set[int]:
        """The error numbers that came back; the kernel has done all when `send` returns."""
        found = set()
        try:
            while True:
                answer = self._socket.recv(1 << 16)
                _, kind, _, _, _, code = _ERROR.unpack_from(answer)
                if kind == _NLMSG_ERROR and code:
                    found.add(-code)
        except BlockingIOError:
            return found
