"""Sockets that systemd hands to a service of its (sd_listen_fds(3)); started otherwise, there are none."""

from __future__ import annotations

import os
import socket
from typing import Final

from weave_cli.settings import count_handed_sockets

_FIRST_DESCRIPTOR: Final = 3


def take_handed_sockets() -> dict[str, socket.socket]:
    """The listening unix sockets that systemd made for this process, by path. To be called once."""
    taken = {}
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count_handed_sockets()):
        os.set_inheritable(descriptor, False)
        handed = socket.socket(fileno=descriptor)
        handed.setblocking(False)
        taken[str(handed.getsockname())] = handed
    return taken
