"""A mesh node that behaves as routers 1.4 to 2.5 do where they differ (specification mesh, 12.2 and 12.4)."""

from __future__ import annotations

from collections.abc import Iterable

from weave_cli.names import PeerName
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.mesh.peers import Applied
from weave_cli.router.mesh.topology_channel import CHANNEL, TopologyData


class OldNode(MeshNode):
    """Tells of every change at once and as a broadcast, passes news on at once, forgets at once."""

    def _tell_of(self, names: Iterable[PeerName], now: float) -> None:
        told = frozenset(names) | {self._ourself.name}
        self._channels.broadcast(CHANNEL, self._ourself.name, TopologyData(self._peers, told))

    def _on_applied(self, applied: Applied, to_pass_on: frozenset[PeerName], now: float) -> None:
        if applied.stale_self is not None:
            self._ourself.jump_over(applied.stale_self)
            self._tell_of((), now)
        if applied.improved:
            self._topology_changed(now)
        self._collect(now)
        if to_pass_on:
            self._channels.gossip(CHANNEL, TopologyData(self._peers, to_pass_on))
