"""What of the topology is told to whom, and when. Knows no octets and no clock.

Go routers tell what they see change, and pass on what they hear, to a few random neighbours each; so where
everybody is connected to everybody, everybody hears everything several times. Ours tell what happens to
themselves to all of their neighbours, and say so in a feature; whoever hears of a peer from that peer itself
then has to pass it on only to those that are no neighbours of that peer.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.mesh.channels import Channels
from weave_cli.router.mesh.ourself import LocalConnection
from weave_cli.router.mesh.pacing import Pacer
from weave_cli.router.mesh.peers import PeerTable
from weave_cli.router.mesh.routes import Routes
from weave_cli.router.mesh.topology_channel import CHANNEL, TopologyData

#: The feature that says so; Go routers ignore it.
_FEATURE: Final = "TopologyNews"
_TO_ALL: Final = "all"

#: The gap between updates grows with the mesh, as one update costs every peer work: seconds per known peer,
#: and its bounds. The Go routers always wait for the longest of these.
_GAP_PER_PEER_S: Final = 0.025
_SHORTEST_GAP_S: Final = 0.1
_LONGEST_GAP_S: Final = 1.0


def news_features() -> Mapping[str, str]:
    """Keys to add to the features that we announce."""
    return {_FEATURE: _TO_ALL}


def tells_all(features: Mapping[str, str]) -> bool:
    """Does a peer with these features tell its own news to all of its neighbours?"""
    return features.get(_FEATURE) == _TO_ALL


class TopologyNews:
    """The next update about peers, and the pace of updates."""

    def __init__(
        self, us: PeerName, peers: PeerTable, routes: Routes, channels: Channels, rng: random.Random
    ) -> None:
        self._us = us
        self._peers = peers
        self._routes = routes
        self._channels = channels
        self._rng = rng
        self.pacer = Pacer(_SHORTEST_GAP_S)
        #: Ourselves, and whom it happened with.
        self._ours: set[PeerName] = set()
        #: Of whom we heard, and whether all of that peer's neighbours did.
        self._heard: dict[PeerName, bool] = {}

    def tell(self, names: Iterable[PeerName], now: float) -> None:
        """Something happened to us, with these peers."""
        self._ours.update(names, (self._us,))
        self._ask(now)

    def pass_on(self, names: Iterable[PeerName], source: LocalConnection | None, now: float) -> None:
        """The source told us something new of these peers."""
        for name in names:
            self._heard[name] = source is not None and source.tells_all and source.remote == name
        self._ask(now)

    def send(self) -> None:
        """Queue the update; it is encoded when it leaves."""
        ours, heard = frozenset(self._ours), self._heard
        self._ours.clear()
        self._heard = {}
        some = frozenset(self._routes.random_neighbours(self._rng, excluding=self._us))

        def choose(neighbour: PeerName) -> TopologyData | None:
            names = ours | self._news_for(neighbour, heard) if neighbour in some else ours
            return TopologyData(self._peers, names) if names else None

        self._channels.gossip_to_each(CHANNEL, choose)

    def _news_for(self, neighbour: PeerName, heard: Mapping[PeerName, bool]) -> frozenset[PeerName]:
        return frozenset(
            name
            for name, all_heard in heard.items()
            if name != neighbour and not (all_heard and self._routes.is_linked(name, neighbour))
        )

    def _ask(self, now: float) -> None:
        gap_s = _GAP_PER_PEER_S * len(self._peers)
        self.pacer.gap_s = min(max(gap_s, _SHORTEST_GAP_S), _LONGEST_GAP_S)
        self.pacer.ask(now)
