"""Where frames go: the rules between bridge and overlays (specification overlay, 5), as decisions. Sans-I/O.

Frames are known by their two MAC addresses and, on the way through the mesh, by the peer that captured them
and the one that shall deliver them. A broadcast on the wire is a frame whose destination peer is the next
hop: each receiver delivers it and sends it on along the tree of its source.

Beside the rules of the specification stands the kernel's VXLAN: to most neighbours that it reaches the kernel
carries what we send ourselves, and a copy of all that the bridge floods. Frames of others go on by sleeve
even there, for nothing else carries their source and destination peers. So do our broadcasts where the
neighbour has to pass them on; what is captured for an address at such a neighbour is sent as the kernel would
have done, so that the kernels at both ends learn where the containers are and do it themselves from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.overlay.macs import MacFound, MacLost, MacTable
from weave_cli.router.overlay.roles import Carriage

#: Frames to 01:80:c2:00:00:00 and the 15 addresses after it are for the next bridge only (IEEE 802.1D).
_LINK_LOCAL: Final = bytes.fromhex("0180c20000")


def is_for_next_bridge(destination: bytes) -> bool:
    """Frames to that MAC address travel no further than one bridge."""
    return destination[:5] == _LINK_LOCAL and destination[5] < 16


@dataclass(frozen=True, slots=True)
class Copy:
    """A frame to send to the neighbour `next_hop`, from one peer to another."""

    next_hop: PeerName
    source: PeerName
    destination: PeerName


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a frame; nothing at all is the commonest fault, then `why_dropped` tells.

    `is_flooded`: the copies are a broadcast's, so a copy that is too big is not answered. `awaits`: the next
    hops of that source's broadcasts are not known yet; send the copies when they are. `by_vxlan`: the copies
    travel as VXLAN packets.
    """

    injects: bool = False
    copies: tuple[Copy, ...] = ()
    is_flooded: bool = False
    awaits: PeerName | None = None
    by_vxlan: bool = False
    why_dropped: str = ""


@dataclass(frozen=True, slots=True)
class BroadcastMissing:
    """The next hops of broadcasts of `source` are wanted; asked once until the routes change."""

    source: PeerName


class FrameSwitch:
    """The switch of one router. A verdict for the same addresses stays good until something changes here:
    that is why it holds no frame."""

    def __init__(self, us: PeerName) -> None:
        self._us = us
        self._macs = MacTable(us)
        self._unicast: Mapping[PeerName, PeerName] = {}
        self._broadcast: dict[PeerName, tuple[PeerName, ...]] = {us: ()}
        self._asked: set[PeerName] = set()
        self._questions: list[BroadcastMissing] = []
        self._carriage: Mapping[PeerName, Carriage] = {}

    def set_routes(self, unicast: Mapping[PeerName, PeerName], broadcast: tuple[PeerName, ...]) -> None:
        """The mesh changed: next hops to all peers, and the neighbours that get our own broadcasts."""
        self._unicast = dict(unicast)
        self._broadcast = {self._us: broadcast}
        self._asked.clear()
        self._questions.clear()
        self._macs.keep(self._unicast)

    def set_broadcast(self, source: PeerName, next_hops: tuple[PeerName, ...]) -> None:
        """The answer to BroadcastMissing."""
        self._broadcast[source] = next_hops

    def set_carriage(self, carriage: Mapping[PeerName, Carriage]) -> None:
        """What the kernel carries to neighbours; to those that are not named it carries nothing."""
        self._carriage = dict(carriage)

    def is_known(self, peer: PeerName) -> bool:
        """Whether frames from or for that peer mean anything to us."""
        return peer == self._us or peer in self._unicast

    def captured(self, destination: bytes, source: bytes, now: float) -> Verdict:
        """A frame from our bridge with these MAC addresses (section 5.2)."""
        if not self._macs.see_captured(source, now):
            return Verdict(why_dropped="echo of a frame from another peer")
        if is_for_next_bridge(destination):
            return Verdict(why_dropped="for the next bridge only")
        peer = self._macs.find(destination)
        if peer is None:
            everything = Carriage.EVERYTHING
            hops = (hop for hop in self._broadcast[self._us] if self._carriage.get(hop) is not everything)
            return Verdict(copies=tuple(Copy(hop, self._us, hop) for hop in hops), is_flooded=True)
        if peer == self._us:
            return Verdict(why_dropped="for a container of this host")
        carriage = self._carriage.get(peer)
        if carriage is Carriage.EVERYTHING:
            return Verdict(why_dropped="carried by vxlan")
        if carriage is Carriage.UNICAST:
            return Verdict(copies=(Copy(peer, self._us, peer),), by_vxlan=True)
        return self._unicast_to(peer, self._us, None)

    def received(
        self, came_from: PeerName, source: PeerName, destination: PeerName, macs: bytes, now: float
    ) -> Verdict:
        """A frame from the neighbour `came_from`; `macs` are its first twelve octets (sections 5.3, 5.4)."""
        if source == self._us:
            return Verdict(why_dropped="our own frame came back")
        if source not in self._unicast:
            return Verdict(why_dropped="from an unknown peer")
        if destination != self._us:
            return self._unicast_to(destination, source, came_from)
        self._macs.see_received(macs[6:12], source, now, is_broadcast=bool(macs[0] & 1))
        if self._macs.find(macs[:6]) == self._us:
            return Verdict(injects=True)
        hops = self._broadcast.get(source)
        if hops is None:
            self._ask(source)
            return Verdict(injects=True, is_flooded=True, awaits=source)
        return Verdict(injects=True, copies=self._relays(source, came_from, hops), is_flooded=True)

    def relayed(self, source: PeerName, came_from: PeerName) -> Verdict:
        """A broadcast of `source` that was delivered here already: where else does it go?"""
        hops = self._broadcast.get(source)
        if hops is None and source in self._unicast:
            self._ask(source)
            return Verdict(is_flooded=True, awaits=source)
        return Verdict(copies=self._relays(source, came_from, hops or ()), is_flooded=True)

    def next_event(self) -> MacFound | MacLost | BroadcastMissing | None:
        """What somebody else should know or answer, or None."""
        if self._questions:
            return self._questions.pop()
        return self._macs.next_event()

    def next_wake(self) -> float | None:
        """When on_wake wants to be called."""
        return self._macs.next_wake()

    def on_wake(self, now: float) -> None:
        """Time passed: forget old MAC addresses."""
        self._macs.on_wake(now)

    def _unicast_to(self, peer: PeerName, source: PeerName, came_from: PeerName | None) -> Verdict:
        hop = self._unicast.get(peer)
        if hop is None:
            return Verdict(why_dropped="for an unknown peer")
        if hop in (came_from, source):
            return Verdict(why_dropped="its way would lead back")
        return Verdict(copies=(Copy(hop, source, peer),))

    def _relays(self, source: PeerName, came_from: PeerName, hops: tuple[PeerName, ...]) -> tuple[Copy, ...]:
        return tuple(Copy(hop, source, hop) for hop in hops if hop not in (came_from, source))

    def _ask(self, source: PeerName) -> None:
        if source not in self._asked:
            self._asked.add(source)
            self._questions.append(BroadcastMissing(source))
