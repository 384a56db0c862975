"""All names of the mesh: ours to change, those of the others to learn (specification dns, sections 1 to 3).

The channel `nameserver` of the mesh. Sans-I/O: the caller gives the time. One thread changes the registry;
`lookup`, `reverse` and `generation` may be read from others.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.mesh.gossip import Channel, PeerDirectory
from weave_cli.router.nameserver.entries import (
    Entry,
    Identity,
    find_news,
    fold_name,
    is_in_domain,
    merge_entries,
    storage_order,
)
from weave_cli.router.nameserver.gossip import NameGossip
from weave_cli.router.nameserver.index import LivingIndex
from weave_cli.router.nameserver.shapes import decode_message, split_message
from weave_cli.router.nameserver.strangers import KEPT_AFTER_LEAVING_S, Strangers

_log = logging.getLogger(__name__)

#: The name of the channel in the mesh.
CHANNEL: Final = "nameserver"

#: Clocks of hosts must agree to this many seconds; mesh connections of others end.
CLOCK_SKEW_LIMIT_S: Final = 900

#: Tombstones live for this long, and the sweep that deletes older ones comes this often.
TOMBSTONE_LIFE_S: Final = 30 * 60.0

#: Entries of the whole mesh. A complete state of fewer is too long for one message already.
MOST_ENTRIES: Final = 1 << 18

#: States of others that told nothing new are known again, this many and from this many octets on: reading
#: ten thousand names takes a hundred times as long.
_REMEMBERED_STATES: Final = 64
_SHORTEST_REMEMBERED: Final = 256

#: Changes are announced a second time after this: a peer that did not know us yet dropped the first one
#: (specification dns, section 7.2), and the periodic gossip may be 30 s away.
REPEAT_AFTER_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    """A message: its entries of known peers, and those of them that were new."""

    timestamp: int
    entries: list[Entry]
    news: list[Entry]
    has_strangers: bool


class NameRegistry:
    """Entries of all peers by identity; fulfils the role Gossiper."""

    def __init__(self, *, name: PeerName, domain: str, directory: PeerDirectory) -> None:
        self._us = name
        self.domain = domain if domain.endswith(".") else f"{domain}."
        #: Counts changes of entries. It moves after the change, so who reads it first and looks up
        #: then holds nothing that is older than the number says.
        self.generation = 0
        self._directory = directory
        self._channel: Channel | None = None
        self._entries: dict[Identity, Entry] = {}
        self._by_name: LivingIndex[str] = LivingIndex(lambda entry: fold_name(entry.hostname))
        self._by_address: LivingIndex[int] = LivingIndex(attrgetter("address"))
        #: Our own entries by what is left of their identity when case is left out.
        self._ours: dict[tuple[str, int, str], Identity] = {}
        #: Digests of states that we hold all of, with the generation at which we did.
        self._held: dict[bytes, int] = {}
        #: The complete state as of a generation.
        self._state: tuple[int, NameGossip] | None = None
        self._strangers = Strangers()
        self._unrepeated: set[Identity] = set()
        self._repeat_at: float | None = None
        self._sweep_at: float | None = None

    def attach(self, channel: Channel) -> None:
        """Speak through `channel` from now on."""
        self._channel = channel

    # Readers

    def entries(self) -> list[Entry]:
        """All entries, tombstones included, in the order of storage."""
        return sorted(self._entries.values(), key=storage_order)

    def lookup(self, name: str) -> list[int]:
        """The addresses of an absolute name, whatever its case; one stands twice if two entries say so."""
        return [entry.address for entry in self._by_name.find(fold_name(name))]

    def reverse(self, address: int) -> str | None:
        """The host name of the first entry with an address, in the case it was registered in."""
        living = self._by_address.find(address)
        return living[0].hostname if living else None

    # Changes of our own entries

    def add(self, hostname: str, container: str, address: int, now: float) -> None:
        """Announce that a name of ours has an address; names outside the domain are passed over."""
        hostname = hostname if hostname.endswith(".") else f"{hostname}."
        if not is_in_domain(hostname, self.domain):
            _log.info("not adding %s: not in the domain %s", hostname, self.domain)
            return
        fresh = Entry(container_id=container, origin=self._us, address=address, hostname=hostname)
        entry = (self._find_twin(fresh) or fresh).revived()
        _log.debug("adding %s", entry)
        self._store([entry], now)
        self._announce([entry], now)

    def remove(
        self,
        *,
        hostname: str | None = None,
        container: str | None = None,
        address: int | None = None,
        now: float,
    ) -> None:
        """Announce the end of our entries that match every filter; None matches all."""
        wanted = None if hostname is None else fold_name(hostname.removesuffix(".") + ".")
        buried = [
            entry.buried(now)
            for entry in self._entries.values()
            if entry.origin == self._us
            and entry.is_alive
            and (container is None or entry.container_id == container)
            and (address is None or entry.address == address)
            and (wanted is None or fold_name(entry.hostname) == wanted)
        ]
        _log.debug("removing %s", buried)
        self._store(buried, now)
        self._announce(buried, now)

    # The role Gossiper

    def on_unicast(self, source: PeerName, data: bytes, now: float) -> None:
        """Nobody sends any; whoever does is not answered."""

    def on_broadcast(self, source: PeerName, data: bytes, now: float) -> NameGossip | None:
        """What a peer announced; all of it that is left goes on to others, at the time it was sent."""
        received = self._receive(data, now)
        return NameGossip(received.entries, received.timestamp) if received.entries else None

    def on_gossip(self, data: bytes, now: float) -> NameGossip | None:
        """A neighbour's state; only what was new goes on."""
        split = split_message(data) if len(data) >= _SHORTEST_REMEMBERED else None
        if split is None:
            received = self._receive(data, now)
        else:
            timestamp, rest = split
            digest = hashlib.sha256(rest).digest()
            if self._held.get(digest) == self.generation:
                _check_clock(timestamp, now)
                return None
            received = self._receive(data, now)
            if not received.has_strangers:
                self._hold(digest)
        return NameGossip(received.news) if received.news else None

    def complete_state(self, now: float) -> NameGossip | None:
        """All entries of all peers, tombstones included."""
        if self._state is None or self._state[0] != self.generation:
            self._state = (self.generation, NameGossip(self._entries.values()))
        return self._state[1] if self._entries else None

    # What the mesh and the clock bring

    def peers_forgotten(self, names: Collection[PeerName], now: float) -> None:
        """Drop the entries of peers that left the topology, unless they return at once."""
        gone = [
            entry for entry in self._entries.values() if entry.origin in names and entry.origin != self._us
        ]
        self._delete(gone)
        self._strangers.keep(gone, now, for_s=KEPT_AFTER_LEAVING_S)

    def next_wake(self) -> float | None:
        """When on_wake is due, as Unix seconds; None when nothing is."""
        moments = (self._repeat_at, self._sweep_at, self._strangers.look_at)
        return min((due for due in moments if due is not None), default=None)

    def on_wake(self, now: float) -> None:
        """Repeat fresh announcements, take in strangers, delete old tombstones, whichever is due."""
        if self._repeat_at is not None and now >= self._repeat_at:
            repeated = [self._entries[identity] for identity in self._unrepeated if identity in self._entries]
            self._unrepeated.clear()
            self._repeat_at = None
            self._broadcast(repeated)
        if self._strangers.look_at is not None and now >= self._strangers.look_at:
            self._take_strangers_in(now)
        if self._sweep_at is not None and now >= self._sweep_at:
            self._sweep(now)

    def set_back(self, by_s: float) -> None:
        """The clock was set back by so many seconds."""
        if self._repeat_at is not None:
            self._repeat_at -= by_s
        if self._sweep_at is not None:
            self._sweep_at -= by_s
        self._strangers.set_back(by_s)

    def _sweep(self, now: float) -> None:
        tombstones = [entry for entry in self._entries.values() if not entry.is_alive]
        old = [entry for entry in tombstones if _is_outlived(entry, now)]
        self._delete(old)
        self._sweep_at = now + TOMBSTONE_LIFE_S if len(old) < len(tombstones) else None

    def _hold(self, digest: bytes) -> None:
        """Remember that this state says nothing more until an entry changes."""
        self._held = {known: at for known, at in self._held.items() if at == self.generation}
        if len(self._held) < _REMEMBERED_STATES:
            self._held[digest] = self.generation

    def _receive(self, data: bytes, now: float) -> _Received:
        """Take a message in, with entries of ours set right."""
        timestamp, sent = decode_message(data)
        _check_clock(timestamp, now)
        origins = {origin for origin in {e.origin for e in sent} if self._directory.is_known(origin)}
        received: list[Entry] = []
        corrected: list[Entry] = []
        for entry in merge_entries(e for e in sent if e.origin in origins).values():
            right = self._set_right(entry, now) if entry.origin == self._us else entry
            received.append(right)
            if right is not entry:
                corrected.append(right)
        news = self._take_in(received, now)
        self._announce(corrected, now)
        strangers = [entry for entry in sent if entry.origin not in origins]
        self._strangers.keep(strangers, now)
        return _Received(
            timestamp=timestamp,
            entries=received,
            news=news,
            has_strangers=bool(strangers),
        )

    def _take_in(self, received: Iterable[Entry], now: float) -> list[Entry]:
        """Store what is new, and give it back."""
        news = [entry for entry in find_news(self._entries, received) if not self._is_swept(entry, now)]
        if len(self._entries) + len(news) > MOST_ENTRIES:
            raise RemoteProtocolError(f"nameserver gossip with {len(news)} new names, too many to keep")
        self._store(news, now)
        return news

    def _take_strangers_in(self, now: float) -> None:
        """Take in those that we know by now, and pass them on as the news that they are."""
        met = self._strangers.take(self._directory.is_known, now)
        try:
            news = self._take_in(met, now)
        except RemoteProtocolError as problem:
            _log.warning("%s", problem)
            return
        if news and self._channel is not None:
            self._channel.gossip(NameGossip(news))

    def _set_right(self, claimed: Entry, now: float) -> Entry:
        """What others believe of an entry of ours, corrected where it is wrong (section 3, step 4).

        It stems from an earlier life of ours, or is an echo: the very entry that came in then.
        """
        ours = self._entries.get(claimed.identity)
        if ours is None:
            return claimed.buried(now) if claimed.is_alive else claimed
        is_behind = claimed.version > ours.version
        is_other = claimed.version == ours.version and claimed.tombstone != ours.tombstone
        return ours.asserted_over(claimed) if is_behind or is_other else claimed

    def _is_swept(self, entry: Entry, now: float) -> bool:
        """Is it a tombstone that we have deleted, or would?

        Peers sweep at different times. If they took each other's old tombstones in again, none would ever go.
        """
        return entry.identity not in self._entries and _is_outlived(entry, now)

    def _find_twin(self, fresh: Entry) -> Entry | None:
        """Our entry of the same identity, or of one that differs only in the case of the host name.

        Two that differ only in case stop Go routers (section 1), so the first spelling stays.
        """
        exact = self._entries.get(fresh.identity)
        if exact is not None:
            return exact
        twin = self._ours.get(_caseless(fresh))
        return None if twin is None else self._entries[twin]

    def _store(self, changed: Iterable[Entry], now: float) -> None:
        changed = [entry for entry in changed if self._entries.get(entry.identity) != entry]
        if not changed:
            return
        for entry in changed:
            self._entries[entry.identity] = entry
            if entry.origin == self._us:
                self._ours.setdefault(_caseless(entry), entry.identity)
            if self._sweep_at is None and not entry.is_alive:
                self._sweep_at = now + TOMBSTONE_LIFE_S
        self._by_name.update(changed)
        self._by_address.update(changed)
        self.generation += 1

    def _delete(self, gone: Collection[Entry]) -> None:
        if not gone:
            return
        for entry in gone:
            del self._entries[entry.identity]
            if self._ours.get(_caseless(entry)) == entry.identity:
                del self._ours[_caseless(entry)]
        self._by_name.discard(gone)
        self._by_address.discard(gone)
        self.generation += 1

    def _announce(self, changed: Collection[Entry], now: float) -> None:
        """Tell everybody of changes of our own entries, now and once more in a moment."""
        if changed:
            self._broadcast(changed)
            self._unrepeated.update(entry.identity for entry in changed)
            if self._repeat_at is None:
                self._repeat_at = now + REPEAT_AFTER_S

    def _broadcast(self, entries: Collection[Entry]) -> None:
        if entries and self._channel is not None:
            self._channel.broadcast(NameGossip(entries))


def _check_clock(timestamp: int, now: float) -> None:
    """Raise RemoteProtocolError, in Go's words, when the sender's clock and ours are too far apart."""
    skew_s = timestamp - int(now)
    if abs(skew_s) > CLOCK_SKEW_LIMIT_S:
        raise RemoteProtocolError(f"host clock skew of {skew_s}s exceeds {CLOCK_SKEW_LIMIT_S}s limit")


def _is_outlived(entry: Entry, now: float) -> bool:
    return not entry.is_alive and entry.tombstone < now - TOMBSTONE_LIFE_S


def _caseless(entry: Entry) -> tuple[str, int, str]:
    return (entry.container_id, entry.address, fold_name(entry.hostname))
