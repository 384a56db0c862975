"""Is there a proxy on this host, and where does it listen? Asks the proxy itself, and nobody else."""

from __future__ import annotations

import socket
import struct
from typing import Final

from weave_cli.names import PROXY_BEACON

_TIMEOUT_S: Final = 2.0
_SIZE_LIMIT: Final = 65536
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid


def find_proxy() -> tuple[str, ...] | None:
    """Its addresses, those by TCP first; None when there is none. Only root's word counts."""
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(_TIMEOUT_S)
        try:
            opened.connect(PROXY_BEACON)
            octets = opened.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            if _CREDENTIALS.unpack(octets)[1] != 0:
                return None
            text = b""
            while len(text) < _SIZE_LIMIT and (more := opened.recv(_SIZE_LIMIT)):
                text += more
        except OSError:
            return None
    return tuple(text.decode("utf-8", "replace").split("\n")[:-1]) or None
