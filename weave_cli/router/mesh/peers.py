"""The peers that we know of, and what an update changes about them. Knows no connection, no route, no byte.

Follows the specification mesh, sections 12.3 (applying an update), 12.4 (forgetting) and 12.5 (short ids).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, format_peer_name

#: Versions are 64-bit counters; one beyond this cannot be told to anybody.
HIGHEST_VERSION: Final = 2**64 - 1

#: Short ids are 12-bit numbers, 0 included.
SHORT_IDS: Final = 4096

#: Far more than there can be hosts in a mesh; but a few messages of somebody else could name millions.
MOST_PEERS: Final = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One connection in a peer's own list; `address` is the other end as that peer sees it."""

    remote: PeerName
    address: str
    outbound: bool
    established: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What a peer says of itself. A placeholder, somebody only mentioned, has uid 0 and version 0."""

    name: PeerName
    nickname: str = ""
    uid: int = 0
    version: int = 0
    short_id: int | None = None
    links: tuple[Link, ...] = ()

    def __hash__(self) -> int:
        # Lists of links are long and two descriptions that agree on these three are nearly always the same.
        return hash((self.name, self.uid, self.version))

    def __str__(self) -> str:
        return f"{format_peer_name(self.name)}({self.nickname})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an update did: the peers it described, those of them that were news, and the version that an
    old incarnation of ourselves is still travelling with, if our own has to jump over it."""

    received: frozenset[PeerName]
    improved: frozenset[PeerName]
    stale_self: int | None


class PeerTable:
    """Every known peer by name, ourselves always included."""

    def __init__(self, ourselves: Peer) -> None:
        self._our_name = ourselves.name
        self._peers = {ourselves.name: ourselves}
        #: Counts changes of entries: what was made from the table holds while it stands still.
        self.changes = 0

    def __contains__(self, name: object) -> bool:
        return name in self._peers

    def __getitem__(self, name: PeerName) -> Peer:
        return self._peers[name]

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, name: PeerName) -> Peer | None:
        return self._peers.get(name)

    @property
    def names(self) -> frozenset[PeerName]:
        return frozenset(self._peers)

    def put(self, peer: Peer) -> None:
        """Add or replace an entry, whatever its version: ourselves, or a peer that introduced itself."""
        self._peers[peer.name] = peer
        self.changes += 1

    def apply(self, update: Sequence[Peer]) -> Applied:
        """Take what is news in a decoded update (specification mesh, section 12.3, steps 1 to 3).

        Raises RemoteProtocolError, and changes nothing, when there would be more peers than can be.
        """
        # Whom a description mentions that we have already is known, or was reached by nobody any more.
        unread = [peer for peer in update if not self._has(peer)]
        mentioned = {link.remote for peer in unread for link in peer.links}
        strangers = mentioned.union(peer.name for peer in unread) - self._peers.keys()
        if len(self._peers) + len(strangers) > MOST_PEERS:
            raise RemoteProtocolError(f"topology update with {len(strangers)} new peers, too many for a mesh")
        improved: set[PeerName] = set()
        stale_self: int | None = None
        for peer in unread:
            if peer.name == self._our_name:
                if self._is_old_self(peer):
                    stale_self = max(peer.version, stale_self or 0)
            elif self._is_news(peer):
                self._peers[peer.name] = peer
                self.changes += 1
                improved.add(peer.name)
        for name in mentioned - self._peers.keys():
            # Somebody whom nobody has described yet: a placeholder.
            self._peers[name] = Peer(name=name)
            self.changes += 1
        return Applied(
            received=frozenset(peer.name for peer in update),
            improved=frozenset(improved),
            stale_self=stale_self,
        )

    def _has(self, peer: Peer) -> bool:
        known = self._peers.get(peer.name)
        return known is not None and (
            known is peer
            or (known.version, known.uid, known.short_id) == (peer.version, peer.uid, peer.short_id)
        )

    def _is_old_self(self, peer: Peer) -> bool:
        ours = self._peers[self._our_name]
        return peer.uid != ours.uid and ours.version <= peer.version < HIGHEST_VERSION

    def _is_news(self, peer: Peer) -> bool:
        known = self._peers.get(peer.name)
        if known is None:
            return True
        if (peer.version, peer.uid) != (known.version, known.uid):
            return (peer.version, peer.uid) > (known.version, known.uid)
        return peer.short_id is not None and known.short_id is None

    def collect(self) -> tuple[Peer, ...]:
        """Drop and return the peers that no chain of connections leads to (specification mesh, 12.4).

        Every connection counts, established or not. Our own entry must already show the connections
        that we have.
        """
        reached = {self._our_name}
        waiting = [self._our_name]
        while waiting and len(reached) < len(self._peers):
            for link in self._peers[waiting.pop()].links:
                if link.remote not in reached and link.remote in self._peers:
                    reached.add(link.remote)
                    waiting.append(link.remote)
        lost = tuple(peer for name, peer in self._peers.items() if name not in reached)
        for peer in lost:
            del self._peers[peer.name]
            self.changes += 1
        return lost

    def owner_of_short_id(self, short_id: int) -> PeerName | None:
        """The peer with the lowest name among those that use the id (specification mesh, section 12.5)."""
        return min((peer.name for peer in self if peer.short_id == short_id), default=None)

    def free_short_ids(self) -> list[int]:
        """The ids that nobody uses, ascending."""
        used = {peer.short_id for peer in self}
        return [short_id for short_id in range(SHORT_IDS) if short_id not in used]
