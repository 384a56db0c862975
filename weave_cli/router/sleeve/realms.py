"""Frames of realms in the sleeve process: each realm has a TAP device and a switch of its own.

Beside the carrier, which lends its links and its routes: what belongs to realms comes and goes marked
(overlay.realm_frames), so nothing of one realm ever reaches another one's device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, KeysView, Mapping
from dataclasses import dataclass

from weave_cli.names import PeerName, pack_peer_name, unpack_peer_name
from weave_cli.router.overlay.macs import MacFound
from weave_cli.router.overlay.realm_frames import mark_of, unmark_frame, vni_of
from weave_cli.router.overlay.realm_switch import RealmSwitch
from weave_cli.router.overlay.roles import Carriage
from weave_cli.router.overlay.sleeve_packets import ETHERNET_HEADER_LEN
from weave_cli.router.sleeve.doors import BATCH, RealmDoor
from weave_cli.router.sleeve.drops import DropCounter
from weave_cli.router.sleeve.links import Link
from weave_cli.router.sleeve.messages import MacForgotten, MacLearned, SetRealm, ToRouter

log = logging.getLogger(__name__)

#: The link to the next hop for a peer; None when there is none that works.
FindLink = Callable[[PeerName], Link | None]


@dataclass(slots=True)
class _Port:
    vni: int
    mark: bytes
    tap: RealmDoor
    switch: RealmSwitch


class RealmPorts:
    """All realms of this host."""

    def __init__(
        self,
        us: PeerName,
        *,
        open_door: Callable[[int], RealmDoor],
        find_link: FindLink,
        note_busy: Callable[[Link], None],
        drops: DropCounter,
    ) -> None:
        """open_door: makes a door of a descriptor. note_busy: something waits on that link."""
        self._us = us
        self._packed_us = pack_peer_name(us)
        self._open_door = open_door
        self._find_link = find_link
        self._note_busy = note_busy
        self._drops = drops
        self._ports: dict[int, _Port] = {}
        self._by_fd: dict[int, _Port] = {}
        self._written: set[int] = set()
        self._carriage: Mapping[PeerName, Carriage] = {}

    @property
    def descriptors(self) -> KeysView[int]:
        """What is to be waited for."""
        return self._by_fd.keys()

    def set_realm(self, told: SetRealm, descriptor: int | None) -> None:
        """There is such a realm; without a descriptor, only who has it changed."""
        if descriptor is not None:
            self.forget(told.vni)
            port = _Port(told.vni, mark_of(told.vni), self._open_door(descriptor), RealmSwitch(self._us))
            port.switch.set_carriage(self._carriage)
            self._ports[told.vni] = self._by_fd[descriptor] = port
        if (known := self._ports.get(told.vni)) is not None:
            known.switch.set_members(told.members)

    def forget(self, vni: int) -> None:
        """It is gone; unknown ones are ignored."""
        port = self._ports.pop(vni, None)
        if port is not None:
            del self._by_fd[port.tap.fd]
            self._written.discard(vni)
            port.tap.close()

    def set_carriage(self, carriage: Mapping[PeerName, Carriage]) -> None:
        self._carriage = carriage
        for port in self._ports.values():
            port.switch.set_carriage(carriage)

    def capture(self, descriptor: int, now: float) -> None:
        """Frames wait at that TAP device: send them on their way."""
        port = self._by_fd.get(descriptor)
        if port is None:
            return
        for _ in range(BATCH):
            try:
                frame = port.tap.read()
            except BlockingIOError:
                return
            except OSError as problem:
                # The router makes it anew, and gives us the new one.
                log.warning("the TAP device of realm %06x is gone: %s", port.vni, problem.strerror)
                self.forget(port.vni)
                return
            if len(frame) >= ETHERNET_HEADER_LEN:
                peers = port.switch.captured(frame[:6], frame[6:12], now)
                for peer in peers:
                    self._send(port, peer, frame, now, is_flooded=len(peers) > 1)

    def receive(self, peers: bytes, marked: bytes, now: float, *, is_sure: bool) -> None:
        """A marked frame came out of a packet; `peers`: its source and destination peer, packed."""
        found = unmark_frame(marked)
        if found is None:
            self._drops.count("a frame of a realm that is not whole", now)
        elif peers[6:] != self._packed_us:
            self._pass_on(peers, *found, now)
        elif (port := self._ports.get(vni_of(found[0]))) is None:
            self._drops.count("a frame of a realm that this host does not have", now)
        else:
            _, frame = found
            if port.switch.received(frame[:12], unpack_peer_name(peers[:6]), now):
                self._inject(port, frame, now, is_sure=is_sure)
            else:
                self._drops.count("a frame of a realm from a peer that does not have it", now)

    def flush(self, now: float) -> None:
        """Give what waits to the bridges."""
        while self._written:
            port = self._ports[self._written.pop()]
            try:
                port.tap.flush()
            except OSError as problem:
                self._count_refusal(problem, now)

    def take_events(self) -> Iterable[ToRouter]:
        """What the router should know about MAC addresses."""
        for port in self._ports.values():
            while (event := port.switch.next_event()) is not None:
                if isinstance(event, MacFound):
                    yield MacLearned(mac=event.mac, peer=event.peer, vni=port.vni)
                else:
                    yield MacForgotten(mac=event.mac, vni=port.vni)

    def wakes(self) -> Iterable[float]:
        """When on_wake wants to be called."""
        for port in self._ports.values():
            if (wake := port.switch.next_wake()) is not None:
                yield wake

    def on_wake(self, now: float) -> None:
        for port in self._ports.values():
            port.switch.on_wake(now)

    def _send(self, port: _Port, peer: PeerName, frame: bytes, now: float, *, is_flooded: bool) -> None:
        link = self._find_link(peer)
        if link is None:
            return
        peers = self._packed_us + pack_peer_name(peer)
        fitted = link.add_marked(peers, port.mark, frame, is_flooded=is_flooded)
        self._note_busy(link)
        if fitted.answer is not None:
            self._inject(port, fitted.answer, now, is_sure=False)
        elif fitted.why_dropped:
            self._drops.count(f"a frame {fitted.why_dropped}", now)

    def _pass_on(self, peers: bytes, mark: bytes, frame: bytes, now: float) -> None:
        """A frame for another peer, whose way leads through us."""
        source, destination = unpack_peer_name(peers[:6]), unpack_peer_name(peers[6:])
        link = self._find_link(destination)
        if link is None or link.name == source:
            self._drops.count("a frame of a realm that nobody can be given", now)
            return
        fitted = link.add_marked(peers, mark, frame, is_flooded=False)
        self._note_busy(link)
        if fitted.answer is None:
            if fitted.why_dropped:
                self._drops.count(f"a frame {fitted.why_dropped}", now)
        elif (back := self._find_link(source)) is not None:
            back.add_marked(peers[6:] + peers[:6], mark, fitted.answer, is_flooded=True)
            self._note_busy(back)

    def _inject(self, port: _Port, frame: bytes, now: float, *, is_sure: bool) -> None:
        try:
            if is_sure:
                self._written.add(port.vni)
                port.tap.write_joined(frame)
            else:
                port.tap.write(frame)
        except OSError as problem:
            self._count_refusal(problem, now)

    def _count_refusal(self, problem: OSError, now: float) -> None:
        self._drops.count("a frame that the TAP device refused", now, problem.strerror or "")
