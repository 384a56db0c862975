"""Where frames of a realm go: as frame_switch, for a network where nobody passes broadcasts on. Sans-I/O.

Who broadcasts sends to every peer that has the realm: by VXLAN where the kernel does, else a copy each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.overlay.frame_switch import is_for_next_bridge
from weave_cli.router.overlay.macs import MacFound, MacLost, MacTable
from weave_cli.router.overlay.roles import Carriage

_NOBODY: Final[tuple[PeerName, ...]] = ()


class RealmSwitch:
    """The switch of one realm on one router."""

    def __init__(self, us: PeerName) -> None:
        self._us = us
        self._macs = MacTable(us)
        self._members: frozenset[PeerName] = frozenset()
        self._carriage: Mapping[PeerName, Carriage] = {}
        self._flooded: tuple[PeerName, ...] = _NOBODY

    def set_members(self, members: frozenset[PeerName]) -> None:
        """The peers that have the realm, without us."""
        self._members = members
        self._macs.keep(members)
        self._choose()

    def set_carriage(self, carriage: Mapping[PeerName, Carriage]) -> None:
        """What the kernel carries to neighbours; of realms it carries all, or nothing."""
        self._carriage = carriage
        self._choose()

    def captured(self, destination: bytes, source: bytes, now: float) -> tuple[PeerName, ...]:
        """The peers that get a frame from our bridge with these MAC addresses, by sleeve."""
        if not self._macs.see_captured(source, now) or is_for_next_bridge(destination):
            return _NOBODY
        peer = self._macs.find(destination)
        if peer is None:
            return self._flooded
        return _NOBODY if peer == self._us or self._is_carried(peer) else (peer,)

    def received(self, macs: bytes, peer: PeerName, now: float) -> bool:
        """A frame that begins with these two addresses came by sleeve from where that peer captured it.

        False when the peer does not have the realm: containers of Go routers can send marked frames.
        """
        if peer not in self._members:
            return False
        self._macs.see_received(macs[6:12], peer, now, is_broadcast=bool(macs[0] & 1))
        return True

    def next_event(self) -> MacFound | MacLost | None:
        """What somebody else should know, or None."""
        return self._macs.next_event()

    def next_wake(self) -> float | None:
        """When on_wake wants to be called."""
        return self._macs.next_wake()

    def on_wake(self, now: float) -> None:
        """Time passed: forget old MAC addresses."""
        self._macs.on_wake(now)

    def _is_carried(self, peer: PeerName) -> bool:
        return self._carriage.get(peer, Carriage.NOTHING) is not Carriage.NOTHING

    def _choose(self) -> None:
        self._flooded = tuple(sorted(peer for peer in self._members if not self._is_carried(peer)))
