"""Which MAC address is at which peer, learned from frames (specification overlay, 5.1). Sans-I/O.

An address is at us when a frame from it was captured, at a peer when a frame from it arrived by the mesh.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Final

from weave_cli.names import PeerName

log = logging.getLogger(__name__)

#: More than the ARP caches of hosts remember.
MAC_LIFETIME_S: Final = 600.0
EXPIRY_INTERVAL_S: Final = 60.0
#: A captured frame whose source spoke through a peer so recently is that frame again: two routers on one
#: layer 2. Later than that, the container moved here.
ECHO_WINDOW_S: Final = 2.0
#: Where a container is, is told again when it broadcasts: by now others may believe something else, having
#: seen a frame of it that never came to us. Seconds between two such reminders.
REMINDER_INTERVAL_S: Final = 1.0
#: A peer could otherwise fill our memory with frames from invented addresses.
LARGEST_TABLE: Final = 65536


@dataclass(frozen=True, slots=True)
class MacFound:
    """The address is at this other peer; it was unknown, at us, or elsewhere before, or broadcasts again."""

    mac: bytes
    peer: PeerName


@dataclass(frozen=True, slots=True)
class MacLost:
    """The address is at no other peer any more: it expired, came to us, or its peer is gone."""

    mac: bytes


@dataclass(slots=True)
class _Entry:
    peer: PeerName
    seen_at: float
    told_at: float


class MacTable:
    """MAC addresses, six octets each, and their peers; changes of those at others are told as events."""

    def __init__(self, us: PeerName) -> None:
        self._us = us
        self._entries: dict[bytes, _Entry] = {}
        self._events: deque[MacFound | MacLost] = deque()
        self._next_expiry: float | None = None
        self._has_overflowed = False

    def find(self, mac: bytes) -> PeerName | None:
        """The peer at which the address was seen."""
        entry = self._entries.get(mac)
        return entry.peer if entry is not None else None

    def see_captured(self, mac: bytes, now: float) -> bool:
        """A frame from this address was captured here; False when it must be an echo of an injected one."""
        entry = self._entries.get(mac)
        if entry is not None and entry.peer != self._us:
            if now - entry.seen_at < ECHO_WINDOW_S:
                return False
            self._events.append(MacLost(mac))
        self._put(mac, self._us, now)
        return True

    def see_received(self, mac: bytes, peer: PeerName, now: float, *, is_broadcast: bool = False) -> None:
        """A frame from this address, captured at that other peer, arrived through the mesh."""
        entry = self._entries.get(mac)
        if entry is None or entry.peer != peer:
            if self._put(mac, peer, now):
                self._events.append(MacFound(mac, peer))
            return
        entry.seen_at = now
        if is_broadcast and now - entry.told_at >= REMINDER_INTERVAL_S:
            entry.told_at = now
            self._events.append(MacFound(mac, peer))

    def keep(self, peers: Container[PeerName]) -> None:
        """Forget the addresses at peers that are not among these; we always are."""
        self._forget(
            mac
            for mac, entry in list(self._entries.items())
            if entry.peer != self._us and entry.peer not in peers
        )

    def next_event(self) -> MacFound | MacLost | None:
        """What changed next, or None."""
        return self._events.popleft() if self._events else None

    def next_wake(self) -> float | None:
        """When on_wake wants to be called."""
        return self._next_expiry

    def on_wake(self, now: float) -> None:
        """Forget the addresses that were not seen for ten minutes."""
        if self._next_expiry is None or now < self._next_expiry:
            return
        self._forget(
            mac for mac, entry in list(self._entries.items()) if now - entry.seen_at >= MAC_LIFETIME_S
        )
        self._next_expiry = now + EXPIRY_INTERVAL_S if self._entries else None
        self._has_overflowed = False

    def __len__(self) -> int:
        return len(self._entries)

    def _put(self, mac: bytes, peer: PeerName, now: float) -> bool:
        """Whether the address is in the table now; no frame has a group address as its source."""
        if mac[0] & 1:
            return False
        if len(self._entries) >= LARGEST_TABLE and mac not in self._entries:
            if not self._has_overflowed:
                log.warning("%d MAC addresses are known: frames to others are flooded", LARGEST_TABLE)
            self._has_overflowed = True
            return False
        self._entries[mac] = _Entry(peer, now, now)
        if self._next_expiry is None:
            self._next_expiry = now + EXPIRY_INTERVAL_S
        return True

    def _forget(self, macs: Iterable[bytes]) -> None:
        for mac in macs:
            if self._entries.pop(mac).peer != self._us:
                self._events.append(MacLost(mac))
