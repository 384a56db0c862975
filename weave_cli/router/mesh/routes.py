"""Which neighbour leads to whom: tables computed from the known peers, only when somebody asks.

Follows the specification mesh, section 13; routers with the same data compute the same trees. Knows no
connection and no gossip.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping

from weave_cli.names import UNKNOWN_PEER, PeerName
from weave_cli.router.mesh.peers import PeerTable

#: The peers that a peer has a link to, for one of the two kinds of link.
Neighbours = Callable[[PeerName], frozenset[PeerName]]


def widen(
    start: PeerName, neighbours: Neighbours, known: int, stop: PeerName | None = None
) -> tuple[bool, dict[PeerName, PeerName]]:
    """Breadth first from `start`: whether `stop` was met, and every peer reached with its next hop.

    A level is walked in ascending order of names. `known` is the number of peers there are, after which
    there is nothing left to find (specification mesh, section 13.2).
    """
    hops = {start: UNKNOWN_PEER}
    level = [start]
    while level:
        following: list[PeerName] = []
        for name in sorted(level):
            if name == stop:
                return True, hops
            if len(hops) == known:
                return stop in hops, hops
            for linked in neighbours(name):
                if linked not in hops:
                    hops[linked] = linked if name == start else hops[name]
                    following.append(linked)
        level = following
    return False, hops


class _Tree:
    """Unicast and broadcast tables over one kind of link."""

    def __init__(self, us: PeerName, known: int, neighbours: Neighbours) -> None:
        self._us = us
        self._known = known
        self._neighbours = neighbours
        self._unicast: dict[PeerName, PeerName] | None = None
        self._broadcast: dict[PeerName, tuple[PeerName, ...]] = {}

    @property
    def unicast(self) -> Mapping[PeerName, PeerName]:
        if self._unicast is None:
            _, self._unicast = widen(self._us, self._neighbours, self._known)
        return self._unicast

    @property
    def computed_broadcasts(self) -> Mapping[PeerName, tuple[PeerName, ...]]:
        return self._broadcast

    def broadcast(self, source: PeerName) -> tuple[PeerName, ...]:
        if source not in self._broadcast:
            found, hops = widen(source, self._neighbours, self._known, stop=self._us)
            onwards = self._neighbours(self._us) - hops.keys() if found else ()
            self._broadcast[source] = tuple(sorted(onwards))
        return self._broadcast[source]


class Routes:
    """The four tables of specification mesh, section 13.3; `invalidate` after every change of the peers."""

    def __init__(self, us: PeerName, peers: PeerTable) -> None:
        self._us = us
        self._peers = peers
        self.invalidate()

    def invalidate(self) -> None:
        """Forget the tables; they are computed again when asked for."""
        self._linked: dict[PeerName, frozenset[PeerName]] = {}
        self._established: dict[PeerName, frozenset[PeerName]] = {}
        self._frames = _Tree(self._us, len(self._peers), self._symmetric_neighbours)
        self._gossip = _Tree(self._us, len(self._peers), self._all_neighbours)

    @property
    def unicast(self) -> Mapping[PeerName, PeerName]:
        """Destination to next hop over links that both ends call established: for frames."""
        return self._frames.unicast

    @property
    def unicast_all(self) -> Mapping[PeerName, PeerName]:
        """Destination to next hop over every link that the nearer peer lists: for gossip."""
        return self._gossip.unicast

    def broadcast(self, source: PeerName) -> tuple[PeerName, ...]:
        """The neighbours that get a frame which `source` broadcast, ascending."""
        return self._frames.broadcast(source) if source in self._peers else ()

    def broadcast_all(self, source: PeerName) -> tuple[PeerName, ...]:
        """The neighbours that get a gossip broadcast of `source`, ascending."""
        return self._gossip.broadcast(source) if source in self._peers else ()

    @property
    def computed_broadcasts(self) -> Mapping[PeerName, tuple[PeerName, ...]]:
        """The frame broadcast routes that somebody has asked for since the last change."""
        return self._frames.computed_broadcasts

    def random_neighbours(self, rng: random.Random, *, excluding: PeerName) -> list[PeerName]:
        """Some neighbours for tag 4, likelier the more peers they lead to (specification mesh, 13.4)."""
        weights = Counter(hop for hop in self.unicast_all.values() if hop not in (UNKNOWN_PEER, excluding))
        wanted = math.floor(2 * math.log2(len(self.unicast_all)))
        if wanted >= len(weights):
            return sorted(weights)
        # The largest u ** (1 / w) are a weighted draw without repetition.
        draws = {name: rng.random() ** (1 / weight) for name, weight in sorted(weights.items())}
        return sorted(draws, key=draws.__getitem__, reverse=True)[:wanted]

    def is_linked(self, name: PeerName, other: PeerName) -> bool:
        """Does that peer list a connection to the other one?"""
        return name in self._peers and other in self._all_neighbours(name)

    def _all_neighbours(self, name: PeerName) -> frozenset[PeerName]:
        linked = self._linked.get(name)
        if linked is None:
            linked = frozenset(link.remote for link in self._peers[name].links if link.remote in self._peers)
            self._linked[name] = linked
        return linked

    def _symmetric_neighbours(self, name: PeerName) -> frozenset[PeerName]:
        return frozenset(other for other in self._established_at(name) if name in self._established_at(other))

    def _established_at(self, name: PeerName) -> frozenset[PeerName]:
        established = self._established.get(name)
        if established is None:
            established = frozenset(
                link.remote
                for link in self._peers[name].links
                if link.established and link.remote in self._peers
            )
            self._established[name] = established
        return established
