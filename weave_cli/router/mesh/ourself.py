"""Our own entry in the peer table: our connections, and a new version whenever they change.

Follows the specification mesh, sections 2.4 (version), 9 (duplicates and limit) and 12.5 (short id). Knows
no gossip and no target.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from weave_cli.names import PeerName
from weave_cli.router.mesh.outbox import Outbox
from weave_cli.router.mesh.peers import Link, Peer, PeerTable

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False, kw_only=True)
class LocalConnection:
    """A connection that has been introduced. `uid` is the same number at both ends and breaks ties."""

    conn_id: int
    remote: PeerName
    remote_uid: int
    address: str
    outbound: bool
    uid: int
    outbox: Outbox
    established: bool = False
    #: Does the remote tell its own news to all of its neighbours, as we do?
    tells_all: bool = False
    #: How our own entry tells of it.
    link: Link = field(init=False)

    def __post_init__(self) -> None:
        self.link = Link(
            remote=self.remote, address=self.address, outbound=self.outbound, established=self.established
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows from the wish to add a connection: an old one that has to go, a refusal, or neither."""

    loser: LocalConnection | None = None
    refusal: str | None = None


class Ourself:
    """The owner of our entry in `peers`; nobody else changes it."""

    def __init__(self, peer: Peer, peers: PeerTable, *, connection_limit: int, rng: random.Random) -> None:
        self.name = peer.name
        self._peers = peers
        self._limit = connection_limit
        self._rng = rng
        self._by_id: dict[int, LocalConnection] = {}
        self._by_remote: dict[PeerName, LocalConnection] = {}

    @property
    def peer(self) -> Peer:
        """Our description as we tell it to others."""
        return self._peers[self.name]

    @property
    def connections(self) -> Iterable[LocalConnection]:
        return self._by_id.values()

    def connection(self, conn_id: int) -> LocalConnection | None:
        return self._by_id.get(conn_id)

    def connection_to(self, remote: PeerName) -> LocalConnection | None:
        return self._by_remote.get(remote)

    def is_connected_to(self, remote: PeerName) -> bool:
        return remote in self._by_remote

    def limit_problem(self) -> str | None:
        """The sentence that refuses one more connection, if there is no room (0 means no limit)."""
        if 0 < self._limit <= len(self._by_id):
            return f"Connection limit reached ({self._limit})"
        return None

    def judge(self, candidate: LocalConnection, remote: Peer) -> Verdict:
        """Who stays when a second connection to one peer comes up (specification mesh, section 9).

        Both ends know both UIDs and decide alike: the lowest stays. A remote that has restarted since
        the old connection was made cannot know that one, so the old one then gives way.
        """
        old = self._by_remote.get(candidate.remote)
        if old is None:
            return Verdict(refusal=self.limit_problem())
        problem = f"Multiple connections to {remote} added to {self.peer}"
        if candidate.remote_uid != old.remote_uid or candidate.uid < old.uid:
            return Verdict(loser=old)
        if candidate.uid == old.uid:
            return Verdict(loser=old, refusal=problem)
        return Verdict(refusal=problem)

    def add(self, connection: LocalConnection) -> None:
        self._by_id[connection.conn_id] = connection
        self._by_remote[connection.remote] = connection
        self._new_version()

    def establish(self, connection: LocalConnection) -> None:
        connection.established = True
        connection.link = replace(connection.link, established=True)
        self._new_version()

    def remove(self, connection: LocalConnection) -> None:
        del self._by_id[connection.conn_id]
        del self._by_remote[connection.remote]
        self._new_version()

    def jump_over(self, version: int) -> None:
        """Outrun the description of an old incarnation of us (specification mesh, section 12.3)."""
        self._peers.put(replace(self.peer, version=version + 1))

    def settle_short_id(self) -> bool:
        """Leave our short id to a peer with a lower name that uses it too; True when ours changed."""
        ours = self.peer.short_id
        if ours is None or self._peers.owner_of_short_id(ours) == self.name:
            return False
        chosen = self._choose_short_id()
        if chosen is None:
            _log.warning("All short peer ids are in use; keeping %d, which is not ours alone", ours)
            return False
        _log.info("Short peer id %d belongs to another peer; taking %d", ours, chosen)
        self._peers.put(replace(self.peer, short_id=chosen, version=self.peer.version + 1))
        return True

    def _choose_short_id(self) -> int | None:
        free = self._peers.free_short_ids()
        return self._rng.choice(free) if free else None

    def _new_version(self) -> None:
        links = tuple(connection.link for connection in self._by_id.values())
        self._peers.put(replace(self.peer, version=self.peer.version + 1, links=links))
