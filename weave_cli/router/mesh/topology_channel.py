"""The channel `topology` as a Gossiper: updates about peers come in, descriptions of peers go out.

Knows the peer table and its octets, no connection. What follows from an update is the node's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.mesh.peers import Applied, PeerTable
from weave_cli.router.mesh.topology import decode_peers, encode_peers

CHANNEL = "topology"


class TopologyData:
    """Peers to tell of, as they stand when the message leaves; those gone by then are left out."""

    def __init__(self, peers: PeerTable, names: frozenset[PeerName]) -> None:
        self.peers = peers
        self.names = names
        #: The octets as of a state of the table: an update goes to several neighbours at once.
        self._encoded: tuple[int, bytes] | None = None

    def merge(self, other: Self) -> Self:
        return self if other.names <= self.names else type(self)(self.peers, self.names | other.names)

    def split(self) -> tuple[Self]:
        return (self,)

    def encode(self, now: float) -> bytes:
        if self._encoded is None or self._encoded[0] != self.peers.changes:
            told = (self.peers[name] for name in sorted(self.names) if name in self.peers)
            self._encoded = (self.peers.changes, encode_peers(told))
        return self._encoded[1]


class TopologyChannel:
    """Applies updates to `peers` and tells `on_applied` what they did and which peers it has to tell of.

    The news of a gossip message (the improved set) are not handed back to be passed on at once: the node
    adds them to its own next update, so that a converging mesh is not flooded. Broadcasts, which come from
    routers before 2.6, are passed on as such (the received set; specification mesh, section 12.3).
    """

    def __init__(
        self, peers: PeerTable, on_applied: Callable[[Applied, frozenset[PeerName], float], None]
    ) -> None:
        self._peers = peers
        self._on_applied = on_applied

    def on_unicast(self, source: PeerName, data: bytes, now: float) -> None:
        raise RemoteProtocolError(f"unexpected topology gossip unicast from {format_peer_name(source)}")

    def on_broadcast(self, source: PeerName, data: bytes, now: float) -> TopologyData | None:
        applied = self._peers.apply(decode_peers(data))
        self._on_applied(applied, frozenset(), now)
        return TopologyData(self._peers, applied.received) if applied.received else None

    def on_gossip(self, data: bytes, now: float) -> TopologyData | None:
        applied = self._peers.apply(decode_peers(data))
        self._on_applied(applied, applied.improved, now)
        return None

    def complete_state(self, now: float) -> TopologyData | None:
        return TopologyData(self._peers, self._peers.names)
