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
from weave_cli.host.netlink_layout import ATTRIBUTE, ERROR, ERROR_CODE, HEADER

# From the kernel's netlink.h, rtnetlink.h and neighbour.h
_RTM_NEWNEIGH: Final = 28
_RTM_DELNEIGH: Final = 29
_NLM_F_REQUEST: Final = 0x1
_NLM_F_CREATE_OR_REPLACE: Final = 0x500
_NUD_REACHABLE: Final = 0x02
_NTF_MASTER: Final = 0x04
_NTF_EXT_LEARNED: Final = 0x10
_NDA_LLADDR: Final = 2

#: Of an entry: family, device, state, flags, type.
_ENTRY: Final = struct.Struct("=BxxxiHBB")
#: Padded to four octets.
_MAC: Final = struct.Struct("6sxx")
_MAC_LEN: Final = 6

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
        body = (
            _ENTRY.pack(socket.AF_BRIDGE, self._index, _NUD_REACHABLE, _NTF_MASTER | _NTF_EXT_LEARNED, 0)
            + ATTRIBUTE.pack(ATTRIBUTE.size + _MAC_LEN, _NDA_LLADDR)
            + _MAC.pack(mac)
        )
        return HEADER.pack(HEADER.size + len(body), kind, flags, 0, 0) + body

    def _refusals(self) -> set[int]:
        """The error numbers that came back; the kernel has done all when `send` returns."""
        found = set()
        try:
            while True:
                answer = self._socket.recv(1 << 16)
                _, kind, *_ = HEADER.unpack_from(answer)
                if kind == ERROR and (code := ERROR_CODE.unpack_from(answer, HEADER.size)[0]):
                    found.add(-code)
        except BlockingIOError:
            return found
