"""Which forwarding entries the VXLAN device shall have, from the connections there are.

Two kinds: the address of a neighbour's VXLAN device leads to that neighbour from the moment the connection
begins, so that heartbeats travel; the all-zeros address, under which the kernel floods, leads to every
neighbour whose overlay is established.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from weave_cli.router.overlay.device_macs import overlay_mac
from weave_cli.router.overlay.roles import Neighbour

FLOOD_MAC: Final = "00:00:00:00:00:00"


@dataclass(frozen=True, slots=True, order=True)
class FdbEntry:
    """Frames for this MAC address are sent to the host with this IPv4 address."""

    mac: str
    address: str


class ForwardingPlan:
    """The entries wanted; what a connection asked for goes with it, unless another one wants the same."""

    def __init__(self) -> None:
        self._neighbours: dict[int, Neighbour] = {}
        self._flooded: set[int] = set()
        self._inherited: frozenset[FdbEntry] = frozenset()

    def inherit(self, entries: Iterable[FdbEntry]) -> None:
        """Entries of an earlier run, which containers may be using; wanted until the heir says otherwise."""
        self._inherited = frozenset(entries)

    def add(self, neighbour: Neighbour) -> None:
        """A connection began."""
        self._neighbours[neighbour.conn_id] = neighbour

    def flood(self, conn_id: int) -> None:
        """The connection's overlay is established."""
        if conn_id in self._neighbours:
            self._flooded.add(conn_id)

    def remove(self, conn_id: int) -> None:
        """The connection ended; unknown ones are ignored."""
        self._neighbours.pop(conn_id, None)
        self._flooded.discard(conn_id)

    def wanted(self) -> frozenset[FdbEntry]:
        """All entries, once each. Of two connections to one peer the later decides where heartbeats go."""
        beats = {overlay_mac(one.name): one.address for one in self._neighbours.values()}
        floods = {self._neighbours[conn_id].address for conn_id in self._flooded}
        return (
            frozenset(FdbEntry(mac, address) for mac, address in beats.items())
            | frozenset(FdbEntry(FLOOD_MAC, address) for address in floods)
            | frozenset(entry for entry in self._inherited if entry.mac not in beats)
        )
