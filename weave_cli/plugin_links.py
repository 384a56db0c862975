"""The plugin's sockets as Docker finds them: links through the process that listens, which go dead with it.

A plugin in a container listens on a socket that it alone sees; the link in Docker's place leads there through
the host's `/proc/PID/root`. Whoever has the host's processes mounted elsewhere follows it there.
"""

from __future__ import annotations

import os


def link_to(place: str, process: str) -> str:
    """What the link says: to the path that the process with this number on the host has."""
    return f"/proc/{process}/root{place}"


def follow(path: str | os.PathLike[str], processes: str) -> str:
    """The path to connect to; processes: where the host's /proc is, if it is shown to us."""
    if os.path.islink(path) and os.path.isdir(processes):
        return processes + os.readlink(path).removeprefix("/proc")
    return os.fspath(path)
