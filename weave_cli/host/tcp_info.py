"""What the kernel knows of a TCP connection: here, how long a packet takes there and back."""

from __future__ import annotations

import socket
import struct
from typing import Final

#: `tcpi_min_rtt` in struct tcp_info of linux/tcp.h: u32, microseconds, all ones while nothing was measured.
_SHORTEST: Final = struct.Struct("=148xI")
_UNKNOWN: Final = 0xFFFFFFFF


def read_round_trip_us(connection: socket.socket) -> int | None:
    """The shortest round trip of the last five minutes, in microseconds; None when nothing was measured.

    The shortest, because a peer that has nothing to say acknowledges late on purpose, up to 40 ms.
    """
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:
        return None  # closed meanwhile
    if len(told) < _SHORTEST.size:
        return None
    shortest: int = _SHORTEST.unpack_from(told)[0]
    return None if shortest in (0, _UNKNOWN) else shortest
