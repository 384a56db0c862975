"""What the VXLAN device shall carry, and the forwarding entries for it, from the connections there are.

Kinds of entries: the address of a neighbour's VXLAN device leads to that neighbour from the moment the
connection begins, so that heartbeats travel; the all-zeros address, under which the kernel floods, leads to
every neighbour to which the device carries, but for relays: what a frame is needs to be told to a
neighbour that passes it on to others, and VXLAN cannot, so the sleeve process sends broadcasts there.
Relays have an entry under a group address that nobody uses, so that the next run knows what is carried.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.overlay.device_macs import heartbeat_mac, overlay_mac
from weave_cli.router.overlay.roles import Carriage, Neighbour

FLOOD_MAC: Final = "00:00:00:00:00:00"
RELAY_MAC: Final = "03:77:65:76:65:72"
_MARKS: Final = (FLOOD_MAC, RELAY_MAC)


@dataclass(frozen=True, slots=True, order=True)
class FdbEntry:
    """Frames for this MAC address are sent to the host with this IPv4 address."""

    mac: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """What the device shall have.

    `entries` are those that we put there. The kernel may keep what it learned about `carried` addresses, and
    about the MAC addresses `heard`, wherever they are; what it learned about others misleads it.
    """

    entries: frozenset[FdbEntry] = frozenset()
    carried: frozenset[str] = frozenset()
    heard: frozenset[str] = frozenset()


class ForwardingPlan:
    """What is wanted; what a connection asked for goes with it, unless another one wants the same."""

    def __init__(self) -> None:
        self._neighbours: dict[int, Neighbour] = {}
        self._carried: set[int] = set()
        self._ended: set[int] = set()
        #: Neighbours that pass our broadcasts on.
        self.relays: frozenset[PeerName] = frozenset()
        self._inherited: frozenset[FdbEntry] = frozenset()

    def inherit(self, entries: Iterable[FdbEntry]) -> None:
        """Entries of an earlier run, which containers may be using; wanted until the heir says otherwise."""
        self._inherited = frozenset(entries)

    def set_relays(self, names: frozenset[PeerName]) -> None:
        """These neighbours pass our broadcasts on."""
        self.relays = names

    def add(self, neighbour: Neighbour) -> None:
        """A connection began."""
        self._neighbours[neighbour.conn_id] = neighbour

    def carry(self, conn_id: int) -> None:
        """Frames get through on this connection."""
        if conn_id in self._neighbours:
            self._carried.add(conn_id)

    def hold(self, conn_id: int) -> None:
        """They do not; nor does it help that they did on an earlier connection or in an earlier run."""
        neighbour = self._neighbours.get(conn_id)
        if neighbour is not None:
            address = neighbour.address
            self._carried -= {one.conn_id for one in self._neighbours.values() if one.address == address}
            self._inherited = frozenset(entry for entry in self._inherited if entry.address != address)

    def end(self, conn_id: int) -> None:
        """The connection ended; what it asked for stays until `remove`, or until others lead there."""
        self._ended.add(conn_id)

    def remove(self, conn_id: int) -> None:
        """Nothing is wanted for that connection any more; unknown ones are ignored."""
        self._neighbours.pop(conn_id, None)
        self._carried.discard(conn_id)
        self._ended.discard(conn_id)

    def lingers(self, names: frozenset[PeerName]) -> bool:
        """Whether frames would go to one of these peers without a connection to it."""
        return bool(self._ended_at(names) or self._inherited_at(names))

    def leave(self, names: frozenset[PeerName]) -> None:
        """Frames find these peers by another way: nothing is wanted for them without a connection."""
        for conn_id in self._ended_at(names):
            self.remove(conn_id)
        left = self._inherited_at(names)
        self._inherited = frozenset(entry for entry in self._inherited if entry.address not in left)

    def carriage(self, address: str) -> Carriage:
        """What the kernel carries to that address when all that is wanted is done."""
        if address not in self._carried_addresses():
            return Carriage.NOTHING
        return Carriage.UNICAST if address in self._relay_addresses() else Carriage.EVERYTHING

    def wanted(self) -> Forwarding:
        """All of it. Of two connections to one peer the later decides where heartbeats go."""
        beats = {overlay_mac(one.name): one.address for one in self._neighbours.values()}
        inherited = {one.mac: one.address for one in self._inherited if one.mac not in _MARKS}
        carried, relays = self._carried_addresses(), self._relay_addresses()
        return Forwarding(
            entries=frozenset(FdbEntry(mac, address) for mac, address in (inherited | beats).items())
            | frozenset(FdbEntry(RELAY_MAC if one in relays else FLOOD_MAC, one) for one in carried),
            carried=carried,
            heard=frozenset(heartbeat_mac(one.name) for one in self._neighbours.values()),
        )

    def wanted_in_realms(self) -> Forwarding:
        """What each realm's device shall have. There nobody passes anything on: no neighbour is a relay."""
        carried = self._carried_addresses()
        return Forwarding(entries=frozenset(FdbEntry(FLOOD_MAC, one) for one in carried), carried=carried)

    def _ended_at(self, names: frozenset[PeerName]) -> list[int]:
        return [one for one in self._ended if one in self._neighbours and self._neighbours[one].name in names]

    def _inherited_at(self, names: frozenset[PeerName]) -> set[str]:
        """Addresses: the entry that leads heartbeats there tells whose it was."""
        macs = {overlay_mac(name) for name in names} if self._inherited else set()
        return {entry.address for entry in self._inherited if entry.mac in macs}

    def _carried_addresses(self) -> frozenset[str]:
        ours = {self._neighbours[conn_id].address for conn_id in self._carried}
        return frozenset(ours | {entry.address for entry in self._inherited if entry.mac in _MARKS})

    def _relay_addresses(self) -> frozenset[str]:
        """Nobody knows whether those inherited are still relays: the next routes tell."""
        ours = {one.address for one in self._neighbours.values() if one.name in self.relays}
        return frozenset(ours | {entry.address for entry in self._inherited if entry.mac == RELAY_MAC})
