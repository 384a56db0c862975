"""Sockets that clients come to: TCP ports, and paths of the host with the owner and the mode of Docker's own.

A path is bound on the host itself, through its root directory where we see that elsewhere; so whatever
directory it is in need not be mounted.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host.listeners import find_listener
from weave_cli.host_files import on_host, real_host_path
from weave_cli.names import PROXY_DIRECTORY
from weave_cli.proxy_places import ANYWHERE, Place

#: Connections that wait to be taken: as many as the kernel allows, lest somebody is turned away.
_BACKLOG: Final = 4096


class Door:
    """A listening socket, and the file that goes away with it."""

    def __init__(self, place: Place, opened: socket.socket, inode: int | None = None) -> None:
        self.place = place
        self.socket = opened
        self._inode = inode

    def close(self) -> None:
        """Stop listening; the file goes if it is still ours. May be repeated."""
        self.socket.close()
        if self.place.path is None or self._inode is None:
            return
        path = on_host(real_host_path(self.place.path))
        with suppress(OSError):
            if path.lstat().st_ino == self._inode:
                path.unlink()
        self._inode = None


def open_door(place: Place, *, like: str) -> Door:
    """Listen there; a path gets the owner and the mode of the socket `like`. Raises HostProblem."""
    return _open_port(place) if place.path is None else _open_path(place, place.path, like)


def _open_port(place: Place) -> Door:
    try:
        found = socket.getaddrinfo(
            place.address or ANYWHERE, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as problem:
        raise HostProblem(
            f"cannot listen on {place}: {problem.strerror}", hint="Give an address of this host with -H."
        ) from None
    family, _, _, _, address = found[0]
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setblocking(False)
        opened.bind(address)
        opened.listen(_BACKLOG)
    except OSError as problem:
        opened.close()
        owner = find_listener("tcp", place.port, _dotted(family, address))
        if owner is not None:
            raise HostProblem(
                f"cannot listen on {place}: in use by {owner}",
                hint="Stop that program, or choose another port with -H.",
                code=Code.PORT_IN_USE,
            ) from None
        raise HostProblem(
            f"cannot listen on {place}: {problem.strerror}", hint="Give an address of this host with -H."
        ) from None
    return Door(place, opened)


def _dotted(family: int, address: tuple[object, ...]) -> str | None:
    return str(address[0]) if family == socket.AF_INET else None


def _open_path(place: Place, path: str, like: str) -> Door:
    where = on_host(real_host_path(path))
    if where.parent == on_host(real_host_path(PROXY_DIRECTORY)):
        where.parent.mkdir(parents=True, exist_ok=True)
    opened = socket.socket(socket.AF_UNIX)
    opened.setblocking(False)
    try:
        # By way of its directory: a path of a socket has room for 108 octets only.
        directory = os.open(where.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            short = Path(f"/proc/self/fd/{directory}", where.name)
            _make_way(short, place)
            opened.bind(str(short))
            _set_owner(short, like)
            opened.listen(_BACKLOG)
            return Door(place, opened, short.lstat().st_ino)
        finally:
            os.close(directory)
    except OSError as problem:
        opened.close()
        raise HostProblem(
            f"cannot listen on {place}: {problem.strerror}",
            hint=f"Is there a directory {Path(path).parent} on this host?",
        ) from None
    except HostProblem:
        opened.close()
        raise


def _make_way(path: Path, place: Place) -> None:
    """Remove a socket that nobody listens on any more."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise HostProblem(
            f"cannot listen on {place}: there is something that is no socket",
            hint="Choose another path with -H.",
        )
    with socket.socket(socket.AF_UNIX) as tried:
        tried.settimeout(1.0)
        try:
            tried.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:
            pass
    raise HostProblem(
        f"cannot listen on {place}: another program listens there",
        hint="Stop that program, or choose another path with -H.",
        code=Code.PORT_IN_USE,
    )


def _set_owner(path: Path, like: str) -> None:
    try:
        model = os.stat(like)
    except OSError:
        path.chmod(0o600)
        return
    os.chown(path, model.st_uid, model.st_gid)
    path.chmod(stat.S_IMODE(model.st_mode))
