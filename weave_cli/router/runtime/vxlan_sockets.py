"""The sockets that carry heartbeats of overlay `vxlan`; no other frame ever passes through them.

A packet socket sends into the VXLAN device; another hears, on the bridge, only frames of our ethertype: what
is addressed to a port of the bridge the kernel delivers to the bridge itself and floods nowhere. One UDP
socket per neighbour sends frames that may not be fragmented, and tells what the kernel learned of the path.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.names import BRIDGE, VXLAN_DEVICE
from weave_cli.router.overlay.heartbeat import ETHERTYPE
from weave_cli.router.overlay.vxlan_header import VXLAN_HEADER

# From Linux' in.h; the socket module lacks them.
_IP_MTU_DISCOVER: Final = 10
_IP_PMTUDISC_PROBE: Final = 3
_IP_MTU: Final = 14

_LARGEST_FRAME: Final = 65_600
#: Frames read before other work gets its turn.
_BATCH: Final = 64


class HeartbeatSocket:
    """Small heartbeats out through the VXLAN device, all heartbeats in from the bridge."""

    def __init__(self) -> None:
        """Raises HostProblem when the devices are not there or packet sockets are not allowed."""
        self._sender = _packet_socket()
        try:
            self._receiver = _packet_socket()
        except HostProblem:
            self._sender.close()
            raise
        try:
            # Protocol 0: what is sent needs no one to listen.
            self._sender.bind((VXLAN_DEVICE, 0))
            self._receiver.bind((BRIDGE, ETHERTYPE))
        except OSError as error:
            self.close()
            raise HostProblem(
                f"cannot listen for heartbeats on {BRIDGE} and {VXLAN_DEVICE}: {error.strerror}"
            ) from error

    def fileno(self) -> int:
        """Readable when heartbeats wait."""
        return self._receiver.fileno()

    def send(self, frame: bytes) -> str | None:
        """Send; the reason when the kernel refused."""
        try:
            self._sender.send(frame)
        except OSError as error:
            return error.strerror
        return None

    def receive(self) -> list[bytes]:
        """The frames that wait, some of them when they are many."""
        frames: list[bytes] = []
        try:
            while len(frames) < _BATCH:
                frames.append(self._receiver.recv(_LARGEST_FRAME))
        except BlockingIOError:
            pass
        except OSError as error:
            # The bridge went down or away; who looks after the devices makes it anew.
            if error.errno not in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
                raise
        return frames

    def close(self) -> None:
        self._sender.close()
        self._receiver.close()


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What the kernel said: the path's MTU in octets as it believes, and an error that came back, if any.

    The MTU is None while the kernel has no route.
    """

    path_mtu: int | None
    refusal: str | None


class PathProbe:
    """Sends frames to one neighbour's VXLAN port that routers on the way may not fragment."""

    def __init__(self, address: str, udp_port: int) -> None:
        """Raises HostProblem when there is no route to the address."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_PROBE)
            self._socket.connect((address, udp_port))
        except OSError as error:
            self._socket.close()
            raise HostProblem(f"cannot reach {address}: {error.strerror}") from error

    def send(self, frame: bytes) -> ProbeOutcome:
        """Send one frame; errors that came back for earlier ones, or from this very host, are told."""
        refusal = self._pending_error()
        try:
            self._socket.send(VXLAN_HEADER + frame)
        except OSError as error:
            # Too large for the device is no refusal: the MTU tells it.
            if error.errno != errno.EMSGSIZE:
                refusal = error.strerror
        return ProbeOutcome(self._path_mtu(), refusal)

    def close(self) -> None:
        self._socket.close()

    def _pending_error(self) -> str | None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return os.strerror(code) if code not in (0, errno.EMSGSIZE) else None

    def _path_mtu(self) -> int | None:
        try:
            return self._socket.getsockopt(socket.IPPROTO_IP, _IP_MTU)
        except OSError:  # ENOTCONN: the route that it was connected by is gone
            return None


def _packet_socket() -> socket.socket:
    try:
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    except PermissionError as error:
        raise HostProblem(
            "cannot open a packet socket: not permitted",
            hint="The router needs the capability NET_RAW in the host's network.",
        ) from error
