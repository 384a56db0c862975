"""Who listens on a port of this host, told from /proc. Reads only; knows no service of ours.

In a container with process ids of its own, a socket of the host's network is seen but its owner is not.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

#: What find_listener answers when there is a socket, and no process that could be seen to hold it.
UNSEEN_OWNER: Final = "a process that cannot be seen from here"

# Columns of /proc/net/{tcp,udp}[6], and the states of a socket that waits for anybody.
_LOCAL, _STATE, _INODE = 1, 3, 9
_WAITING: Final = {"tcp": "0A", "udp": "07"}

_ANY_V6: Final = "0" * 32
_V4_MAPPED: Final = "0000000000000000FFFF0000"


def find_listener(
    protocol: Literal["tcp", "udp"], port: int, address: str | None = None, *, proc: Path = Path("/proc")
) -> str | None:
    """Name and id of the process that listens on a port, like `dnsmasq (pid 812)`; None when nobody does.

    With an IPv4 `address`, only listeners that are in the way of one on that address count: they have the
    same address or all of them; "0.0.0.0" meets every listener.
    """
    inodes = set(_listening_inodes(protocol, port, address, proc))
    if not inodes:
        return None
    owner = _find_owner(inodes, proc)
    return UNSEEN_OWNER if owner is None else str(owner)


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that has a socket open."""

    name: str
    pid: int

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def find_owner(
    protocol: Literal["tcp", "udp"], port: int, address: str | None = None, *, proc: Path = Path("/proc")
) -> Owner | None:
    """The process itself, where find_listener has its description; None also when it cannot be seen."""
    return _find_owner(set(_listening_inodes(protocol, port, address, proc)), proc)


def _listening_inodes(protocol: str, port: int, address: str | None, proc: Path) -> Iterator[str]:
    for table in (protocol, f"{protocol}6"):
        try:
            lines = (proc / "thread-self" / "net" / table).read_text().splitlines()[1:]
        except OSError:  # IPv6 is off
            continue
        for line in lines:
            columns = line.split()
            local, _, local_port = columns[_LOCAL].partition(":")
            if columns[_STATE] != _WAITING[protocol] or int(local_port, 16) != port:
                continue
            if address is None or _is_in_the_way(local, address):
                yield columns[_INODE]


def _is_in_the_way(local: str, address: str) -> bool:
    """Does a listener on the hex address `local` keep others off the dotted quad `address`?"""
    if address == "0.0.0.0" or local == _ANY_V6:
        return True
    if len(local) == 32:
        if not local.startswith(_V4_MAPPED):
            return False
        local = local[len(_V4_MAPPED) :]
    # The kernel prints the four octets as one number in the machine's own order.
    octets = int(local, 16).to_bytes(4, sys.byteorder)
    return octets in (b"\0\0\0\0", socket.inet_aton(address))


def _find_owner(inodes: set[str], proc: Path) -> Owner | None:
    """The first process that has one of the sockets open."""
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for directory in sorted((entry for entry in proc.iterdir() if entry.name.isdigit()), key=_pid):
        try:
            if any(str(link.readlink()) in wanted for link in (directory / "fd").iterdir()):
                return Owner((directory / "comm").read_text().strip(), _pid(directory))
        except OSError:  # gone meanwhile, or not ours to look into
            continue
    return None


def _pid(directory: Path) -> int:
    return int(directory.name)
