"""Where a command runs: here, or in a container on the host that Docker is on. Decides, and does nothing."""

from __future__ import annotations

import os
import platform
from enum import Enum, auto

from weave_cli.settings import Settings


class Needs(Enum):
    """What of the host a command is about it needs."""

    NOTHING = auto()
    """Docker at most, by its API."""
    ROUTER = auto()
    """The router's HTTP API, or weaveDNS; both are on addresses of the host, for every user."""
    SOCKETS = auto()
    """Those, and the sockets of Docker and of the plugin."""
    HOST = auto()
    """Root, with the host's network, processes and files."""


def must_go_elsewhere(
    needs: Needs, *, is_socket: bool, is_linux: bool, is_root: bool, may_use_docker: bool
) -> bool:
    """Is this not the place to run it, and may Docker help?

    is_socket: Docker is behind a socket of this machine. Whoever is neither root nor may use it is not
    helped: the command says what it lacks.
    """
    if needs is Needs.NOTHING:
        return False
    if not is_socket or not is_linux:
        return True
    return needs in (Needs.SOCKETS, Needs.HOST) and not is_root and may_use_docker


def is_elsewhere(needs: Needs, settings: Settings) -> bool:
    """The same, of this process."""
    return must_go_elsewhere(
        needs,
        is_socket=settings.endpoint.is_socket,
        is_linux=platform.system() == "Linux",
        is_root=os.geteuid() == 0,
        may_use_docker=os.access(settings.docker_socket, os.R_OK | os.W_OK),
    )
