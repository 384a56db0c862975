"""A mesh node that behaves as routers 1.4 to 2.5 do where they differ (specification mesh, 12.2 and 12.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weave_cli.names import PeerName
from weave_cli.router.mesh.news import TopologyNews
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.mesh.ourself import LocalConnection
from weave_cli.router.mesh.peers import Applied
from weave_cli.router.mesh.topology_channel import CHANNEL, TopologyData


class _OldNews(TopologyNews):
    """Tells of every change at once and as a broadcast, passes news on at once."""

    def tell(self, names: Iterable[PeerName], now: float) -> None:
        self._channels.broadcast(CHANNEL, self._us, TopologyData(self._peers, frozenset(names) | {self._us}))

    def pass_on(self, names: Iterable[PeerName], source: LocalConnection | None, now: float) -> None:
        self._channels.gossip(CHANNEL, TopologyData(self._peers, frozenset(names)))


class OldNode(MeshNode):
    """Tells of every change at once and as a broadcast, passes news on at once, forgets at once."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(**facts)
        self._news = _OldNews(self._ourself.name, self._peers, self._routes, self._channels, facts["rng"])

    def features(self) -> Mapping[str, str]:
        return {}

    def _on_applied(self, applied: Applied, to_pass_on: frozenset[PeerName], now: float) -> None:
        if applied.stale_self is not None:
            self._ourself.jump_over(applied.stale_self)
            self._news.tell((), now)
        if applied.improved:
            self._topology_changed(now)
        self._collect(now)
        if to_pass_on:
            self._news.pass_on(to_pass_on, None, now)
