"""What every overlay is to the rest of the router, and which overlays two peers have in common.

An overlay is a way for frames to travel between two routers. A connection is tried with every overlay that
both ends know; each proves itself, and tells so by events (specification overlay, section 1). Knows no
socket and no device: the runtime does what the events ask for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Protocol

from weave_cli.names import PeerName

#: All overlay names we may ever have in common with a peer, best first. Both ends order by this one list, so
#: that indices in control messages agree; the names that Go knows keep Go's relative order (section 1.1).
OVERLAY_ORDER: Final = ("vxlan", "fastdp", "sleeve")


def negotiate(ours: Iterable[str], theirs: Iterable[str]) -> tuple[str, ...]:
    """The overlays that both announce, best first; the position is the index in control messages."""
    known, offered = set(ours), set(theirs)
    return tuple(name for name in OVERLAY_ORDER if name in known and name in offered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """The other end of a connection as an overlay needs to know it.

    `uid` is the connection UID that both ends computed; `address` the IPv4 address of the TCP connection's
    other end; `udp_port` where its overlay listens.
    """

    conn_id: int
    uid: int
    name: PeerName
    nickname: str
    address: str
    udp_port: int


class Carriage(IntEnum):
    """What the kernel's VXLAN carries from here to a neighbour; the sleeve process carries the rest.

    UNICAST: to a neighbour that passes our broadcasts on to others. Only sleeve tells it whose they are, so
    broadcasts go there by sleeve, and so do frames for addresses whose place nobody knows.
    """

    NOTHING = 0
    UNICAST = 1
    EVERYTHING = 2


@dataclass(frozen=True, slots=True)
class Established:
    """Frames travel both ways from now on; said again when they do so after Held or Narrow."""


@dataclass(frozen=True, slots=True)
class Held:
    """Frames do not get through now, and the overlay goes on trying. The reason is for an operator's eyes."""

    reason: str


@dataclass(frozen=True, slots=True)
class Narrow:
    """Frames travel both ways, but large ones get lost without a word. Established when that is over."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The overlay does not work (any more); final. The reason is for an operator's eyes."""

    reason: str


@dataclass(frozen=True, slots=True)
class ControlReady:
    """A control message to send over TCP: index of the overlay, then this sub tag and body (section 1.3)."""

    sub_tag: int
    body: bytes


@dataclass(frozen=True, slots=True)
class PathMtuChanged:
    """The path carries less than the overlay's MTU, or the whole of it again; `text` is for the log."""

    text: str
    is_narrower: bool


class Forwarder(Protocol):
    """One overlay's end of a connection, sans-I/O; times are seconds of any clock that nobody sets.

    What is to be done next comes from `next_event`: the values above, and some of the overlay's own.
    """

    def start(self, now: float) -> None: ...
    def receive_control(self, sub_tag: int, body: bytes, now: float) -> None: ...
    def next_event(self) -> Any: ...
    def next_wake(self) -> float | None: ...
    def on_wake(self, now: float) -> None: ...
    def attributes(self) -> dict[str, str | int | bool]: ...
