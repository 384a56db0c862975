"""What systemd and a service of its say to each other: sockets handed over, and the word that it is ready.

The protocol of sd_listen_fds(3) and sd_notify(3). Started otherwise, a program finds and says nothing.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final

from weave_cli.settings import count_handed_sockets, notification_socket

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


def tell_ready() -> None:
    """This service does its work: what systemd has ordered behind it may start."""
    path = notification_socket()
    if path is None:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened, suppress(OSError):
        opened.sendto(b"READY=1", address)
