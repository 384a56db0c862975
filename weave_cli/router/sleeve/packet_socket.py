"""The UDP socket of all sleeve packets: with and without DF, many at a time where the kernel can.

The socket has DF set; for packets of the other stream it is cleared for the moment of sending. A second
socket on the same port would be given packets that are meant for the first.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

# linux/in.h, linux/udp.h, asm/socket.h; the socket module does not name them all
_IP_MTU_DISCOVER: Final = 10
_IP_PMTUDISC_DONT: Final = 0
_IP_PMTUDISC_DO: Final = 2
_IP_MTU: Final = 14
_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33

_BUFFER_BYTES: Final = 8 << 20
#: What the kernel may join on receiving: an IP packet's worth.
_LARGEST_RECEIVED: Final = 65536
#: Limits of one call that the kernel cuts into packets: their number, and octets in all.
_MOST_SEGMENTS: Final = 64
_LARGEST_RUN: Final = 65000
#: What a kernel says that cannot cut: no such option; no checksums by the device, or IPsec on the way.
_CANNOT_JOIN: Final = (errno.EINVAL, errno.EIO)
#: Patience with a full send buffer before a packet is dropped.
_FULL_PATIENCE_MS: Final = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """The kernel did not send all that it was given; `path_mtu` when a packet was too big for the path."""

    reason: str
    path_mtu: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """Packets of one sender, joined; each but the last is of `size` octets.

    `is_checked`: they had UDP checksums, which were right. The kernel joins no others; Go routers send
    packets with DF without one.
    """

    octets: bytes
    size: int
    address: tuple[str, int]
    is_checked: bool


class PacketSocket:
    """Sends and receives UDP payloads."""

    def __init__(self, udp: socket.socket) -> None:
        self._udp = udp
        udp.setblocking(False)
        udp.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
        _enlarge(udp, _SO_RCVBUFFORCE, socket.SO_RCVBUF)
        _enlarge(udp, _SO_SNDBUFFORCE, socket.SO_SNDBUF)
        self._joins = _allows(udp, _UDP_SEGMENT, 0)
        _allows(udp, _UDP_GRO, 1)
        self._buffer = bytearray(_LARGEST_RECEIVED)
        self._view = memoryview(self._buffer)
        self._writable = select.poll()
        self._writable.register(udp, select.POLLOUT)

    def fileno(self) -> int:
        """For poll."""
        return self._udp.fileno()

    def receive(self) -> Received:
        """The next packets. BlockingIOError when there are none."""
        count, ancillary, _, address = self._udp.recvmsg_into([self._buffer], 64)
        size, is_joined = count, False
        for level, kind, data in ancillary:
            if level == socket.IPPROTO_UDP and kind == _UDP_GRO:
                (size,) = struct.unpack_from("=i", data)
                is_joined = True
        return Received(bytes(self._view[:count]), size, address, is_joined)

    def send(
        self, packets: Sequence[bytes], address: tuple[str, int], *, dont_fragment: bool
    ) -> Refusal | None:
        """Send them all, as far as the kernel does; what it refused last."""
        if dont_fragment:
            return self._send_joined(packets, address)
        self._udp.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        try:
            return self._send_singly(packets, address)
        finally:
            self._udp.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)

    def _send_joined(self, packets: Sequence[bytes], address: tuple[str, int]) -> Refusal | None:
        """Packets of one length in a row, and one shorter after them, are one call."""
        refusal, start, count = None, 0, len(packets)
        while start < count:
            size = total = len(packets[start])
            end = start + 1
            limit = min(count, start + _MOST_SEGMENTS) if self._joins else end
            while end < limit and len(packets[end]) == size and total + size <= _LARGEST_RUN:
                total += size
                end += 1
            if end < limit and len(packets[end]) < size and total + len(packets[end]) <= _LARGEST_RUN:
                end += 1
            if end - start == 1:
                refusal = self._send_one(packets[start], address) or refusal
            else:
                refusal = self._send_run(packets[start:end], size, address) or refusal
            start = end
        return refusal

    def _send_run(self, run: Sequence[bytes], size: int, address: tuple[str, int]) -> Refusal | None:
        control = [(socket.IPPROTO_UDP, _UDP_SEGMENT, struct.pack("=H", size))]
        try:
            self._udp.sendmsg(run, control, 0, address)
        except BlockingIOError:
            self._writable.poll(_FULL_PATIENCE_MS)
            return self._send_singly(run, address)
        except OSError as problem:
            if problem.errno == errno.EMSGSIZE:
                return self._explain(problem, address)
            refusal = self._send_singly(run, address)
            if refusal is None and problem.errno in _CANNOT_JOIN:
                # Each went by itself: it is the joining that this kernel or device cannot do.
                log.info("packets are sent one by one from now on: %s", problem.strerror)
                self._joins = False
            return refusal
        return None

    def _send_singly(self, packets: Sequence[bytes], address: tuple[str, int]) -> Refusal | None:
        refusal = None
        for packet in packets:
            refusal = self._send_one(packet, address) or refusal
        return refusal

    def _send_one(self, packet: bytes, address: tuple[str, int]) -> Refusal | None:
        try:
            self._udp.sendto(packet, address)
        except BlockingIOError:
            self._writable.poll(_FULL_PATIENCE_MS)
            try:
                self._udp.sendto(packet, address)
            except OSError as problem:
                return self._explain(problem, address)
        except OSError as problem:
            return self._explain(problem, address)
        return None

    def _explain(self, problem: OSError, address: tuple[str, int]) -> Refusal:
        path_mtu = _path_mtu(address) if problem.errno == errno.EMSGSIZE else None
        return Refusal(problem.strerror or str(problem), path_mtu)


def _path_mtu(address: tuple[str, int]) -> int | None:
    """What the kernel believes about the path; only a connected socket is told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)
            probe.connect(address)
            return probe.getsockopt(socket.IPPROTO_IP, _IP_MTU)
        except OSError as problem:
            log.debug("no path MTU to %s: %s", address[0], problem)
            return None


def _enlarge(udp: socket.socket, forced: int, asked: int) -> None:
    """A batch of frames must find room; without CAP_NET_ADMIN the system's limit holds."""
    try:
        udp.setsockopt(socket.SOL_SOCKET, forced, _BUFFER_BYTES)
    except PermissionError:
        udp.setsockopt(socket.SOL_SOCKET, asked, _BUFFER_BYTES)


def _allows(udp: socket.socket, option: int, value: int) -> bool:
    try:
        udp.setsockopt(socket.IPPROTO_UDP, option, value)
    except OSError:
        return False
    return True
