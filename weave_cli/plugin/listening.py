"""The plugin's listening sockets, made with nothing imported that takes time: Docker may count the moments.

Docker dials a managed plugin half a second after it has started it, and where nobody listens, again only
three seconds later. All else of the plugin takes about that half second to import, on a busy host more.

A socket file outlives a process that is killed, and Docker at its start waits 15 s and more for each call to
such a one. So a plugin in a container listens on a socket that it alone sees, and leaves in Docker's place
a link to it through its own process, `/proc/PID/root/...`: with the process, what the link leads to is gone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.names import HOST_PROCESSES, PLUGIN_SOCKET_DIRECTORY, SWARM_SOCKET
from weave_cli.plugin_links import follow, link_to

BACKLOG: Final = 128
#: No other process has such a path, should it get our number.
_OWN_DIRECTORY: Final = "/run/weave-plugin-alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A socket that listens."""

    socket: socket.socket
    inode: int | None
    """Of its file, which goes with us; None: the file is somebody else's."""


def listen(path: str, *, own_directory: str = _OWN_DIRECTORY, processes: str = HOST_PROCESSES) -> Listener:
    """Takes the place of a dead socket without a moment in between. Raises HostProblem.

    own_directory: for the socket itself, where `processes` is the host's /proc.
    """
    if _is_alive(path, processes):
        raise HostProblem(f"somebody listens on {path} already", hint="Is another weave plugin running?")
    new = f"{path}.new"  # not *.sock, so Docker overlooks it
    process = _find_own_process(processes)
    place = new if process is None else f"{own_directory}/{os.path.basename(path)}"
    listener = socket.socket(socket.AF_UNIX)
    try:
        for made in (new, place):
            os.makedirs(os.path.dirname(made), exist_ok=True)
            with suppress(FileNotFoundError):
                os.unlink(made)
        listener.setblocking(False)
        listener.bind(place)
        os.chmod(place, 0o600)
        listener.listen(BACKLOG)
        if process is not None:
            os.symlink(link_to(place, process), new)
        inode = os.lstat(new).st_ino
        os.rename(new, path)
    except BaseException as problem:
        listener.close()
        if isinstance(problem, OSError):
            raise HostProblem(f"cannot listen on {path}: {problem.strerror}") from problem
        raise
    return Listener(socket=listener, inode=inode)


def listen_early(arguments: Sequence[str]) -> dict[str, Listener]:
    """By path, what a plugin of this command line listens on before it reads it: only a managed one does.

    Where it fails, the plugin itself fails at the same, and says so in its log.
    """
    if "--managed" not in arguments:
        return {}
    path = f"{PLUGIN_SOCKET_DIRECTORY}/{SWARM_SOCKET}"
    try:
        return {path: listen(path)}
    except HostProblem:
        return {}


def _find_own_process(processes: str) -> str | None:
    """Our number on the host; None where it is not shown to us."""
    try:
        return os.readlink(f"{processes}/self")
    except OSError:
        return None


def _is_alive(path: str, processes: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(follow(path, processes))
        except OSError as problem:
            return isinstance(problem, TimeoutError)
        return True
