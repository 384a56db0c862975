"""The sockets that weaveDNS listens on, and who is in the way when it cannot. Knows no DNS."""

from __future__ import annotations

import errno
import os
import socket
import struct
from contextlib import suppress
from typing import Any, Final, Protocol

from weave_cli.errors import HostProblem
from weave_cli.host.listeners import find_listener

#: The address that means every address of this host.
ANY_ADDRESS: Final = "0.0.0.0"

#: Waiting queries may take this many octets, so that a burst is not lost while another thread runs.
_RECEIVE_BUFFER: Final = 1 << 20
_BACKLOG: Final = 128

# linux/in.h; Python has no names for them
_IP_PKTINFO: Final = 8
_IP_FREEBIND: Final = 15
_PKTINFO: Final = struct.Struct("=I4s4s")  # interface, our address, address in the header


class DatagramSocket(Protocol):
    """Receives queries and sends answers; what stands for a client goes from the one into the other."""

    def recvfrom(self, size: int, /) -> tuple[bytes, Any]: ...
    def sendto(self, data: bytes, client: Any, /) -> int: ...


class AnyAddressSocket:
    """A socket on all addresses that answers from the address that was asked.

    Clients drop answers from another address, and the kernel would choose one by route.
    """

    def __init__(self, udp: socket.socket) -> None:
        udp.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._udp = udp

    def recvfrom(self, size: int, /) -> tuple[bytes, Any]:
        data, messages, _, client = self._udp.recvmsg(size, socket.CMSG_SPACE(_PKTINFO.size))
        for level, kind, content in messages:
            if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
                _, ours, _ = _PKTINFO.unpack(content)
                return data, (client, [(level, kind, _PKTINFO.pack(0, ours, bytes(4)))])
        return data, (client, [])

    def sendto(self, data: bytes, client: Any, /) -> int:
        address, messages = client
        return self._udp.sendmsg([data], messages, 0, address)


def open_sockets(address: str, port: int, *, may_come: bool = False) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on the same port, any free one for port 0.

    may_come: the host need not have the address yet; queries come once it has.
    Raises HostProblem that names the address, and the program that is in the way.
    """
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    protocol = "tcp"
    try:
        # Connections of a former life that linger must not keep us out. TCP first: of a free port that the
        # kernel chooses, the other half is more likely free too.
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for opened in (tcp, udp):
            opened.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, int(may_come))
        tcp.bind((address, port))
        tcp.listen(_BACKLOG)
        protocol, port = "udp", tcp.getsockname()[1]
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        udp.bind((address, port))
    except OSError as problem:
        udp.close()
        tcp.close()
        raise _explain(problem, protocol, address, port) from problem
    return udp, tcp


def wake_reader(udp: socket.socket) -> None:
    """Let a thread that is blocked in receiving return with an empty packet, now and from now on."""
    with suppress(OSError):  # the kernel says "not connected", and wakes the reader nevertheless
        udp.shutdown(socket.SHUT_RDWR)


def _explain(problem: OSError, protocol: str, address: str, port: int) -> HostProblem:
    what = f"cannot serve weaveDNS on {address}:{port}/{protocol}"
    match problem.errno:
        case errno.EADDRINUSE:
            owner = find_listener("udp" if protocol == "udp" else "tcp", port, address) or "another program"
            return HostProblem(
                f"{what}: the port is in use by {owner}",
                hint="Stop that program or let it listen on other addresses only, "
                "or give another address with --dns-listen-address, or launch with --no-dns.",
            )
        case errno.EADDRNOTAVAIL:
            return HostProblem(
                f"{what}: this host has no such address",
                hint="The address of Docker's bridge is there once Docker runs; "
                "another one can be given with --dns-listen-address.",
            )
        case errno.EACCES | errno.EPERM:
            return HostProblem(
                f"{what}: not permitted",
                hint="Ports below 1024 need root or the capability NET_BIND_SERVICE.",
            )
    return HostProblem(f"{what}: {os.strerror(problem.errno or 0)}")
