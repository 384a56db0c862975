"""The roles around gossip: what a channel is given, what it gives back. Knows no node and no connection.

A channel (allocator, nameserver, topology) is a Gossiper. It speaks through a Channel and never sees
connections, routes or time other than `now`, Unix seconds as of time.time().
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from weave_cli.names import PeerName


class GossipData(Protocol):
    """Something that waits to be sent; it is encoded only when a connection can take it.

    Values are merged while they wait, so one message may carry several updates
    (specification mesh, section 11.4). A value that was handed over may wait on many connections
    at once: `merge` returns the union and changes neither operand.
    """

    def merge(self, other: Self) -> Self:
        """What says as much as both."""
        ...

    def split(self) -> Sequence[Self]:
        """Values that say together what it says, each with room in one message; most often it alone."""
        ...

    def encode(self, now: float) -> bytes:
        """The octets of the data as of now."""
        ...


class Gossiper(Protocol):
    """One channel's own code, called by the node.

    Each `on_*` may raise RemoteProtocolError: the node then ends the connection that delivered the
    message and relays nothing of it (specification mesh, section 11.3).
    """

    def on_unicast(self, source: PeerName, data: bytes, now: float) -> None:
        """A message from `source` to us alone."""
        ...

    def on_broadcast(self, source: PeerName, data: bytes, now: float) -> GossipData | None:
        """A message from `source` to everybody; returns what to pass on, None for nothing."""
        ...

    def on_gossip(self, data: bytes, now: float) -> GossipData | None:
        """A neighbour's state or part of it; returns what was new in it, None for nothing."""
        ...

    def complete_state(self, now: float) -> GossipData | None:
        """All that we know, for a new neighbour and for the periodic gossip; None when there is nothing."""
        ...


class Channel(Protocol):
    """What a Gossiper speaks with; given out by MeshNode.open_channel."""

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        """Queue octets for one peer; False when no route leads there. Unicasts are never merged."""
        ...

    def broadcast(self, data: GossipData) -> None:
        """Queue data for everybody, along the broadcast routes that start at us."""
        ...

    def gossip(self, data: GossipData) -> None:
        """Queue data for a random choice of neighbours (specification mesh, section 13.4)."""
        ...


class PeerDirectory(Protocol):
    """Who is in the mesh just now, for channels that name peers."""

    def is_known(self, name: PeerName) -> bool:
        """True for ourselves and every peer of the current topology."""
        ...

    def nickname_of(self, name: PeerName) -> str:
        """The nickname of a known peer, the empty text for others."""
        ...
