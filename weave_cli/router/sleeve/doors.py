"""What frames, packets and messages come and go by: the sleeve process plays against these roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from weave_cli.router.sleeve.messages import ToRouter, UdpAddress
from weave_cli.router.sleeve.packet_socket import Received, Refusal

#: Frames or packets that are read from one source before another has its turn. What the kernel joined is
#: taken whole, so it may be some more.
BATCH: Final = 256


class FrameDoor(Protocol):
    """The bridge, by its TAP device. Reading raises BlockingIOError when no frame waits."""

    def read(self) -> bytes: ...

    def write(self, frame: bytes) -> None: ...

    def write_joined(self, frame: bytes) -> None: ...

    def flush(self) -> None: ...


class RealmDoor(FrameDoor, Protocol):
    """The bridge of a realm, which comes and goes."""

    @property
    def fd(self) -> int: ...

    def close(self) -> None: ...


class PacketDoor(Protocol):
    """The network, by the UDP socket. Receiving raises BlockingIOError when no packet waits."""

    def receive(self) -> Received: ...

    def send(
        self, packets: Sequence[bytes], address: UdpAddress, *, dont_fragment: bool
    ) -> Refusal | None: ...


class MessageDoor(Protocol):
    """The router; what it cannot take now waits."""

    def put(self, message: ToRouter) -> None: ...
