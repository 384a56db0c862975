"""Carries frames between bridge and neighbours: the inner loop of the sleeve process, without the waiting.

Everything that comes in is handled in batches, so that what goes out is packed and sent together. Verdicts of
the frame switch are kept for a second, by addresses: most frames cost a look into a dictionary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, pack_peer_name, unpack_peer_name
from weave_cli.router.overlay.frame_switch import BroadcastMissing, FrameSwitch, Verdict
from weave_cli.router.overlay.macs import MacFound, MacLost
from weave_cli.router.overlay.realm_frames import ETHERTYPE as REALM_ETHERTYPE
from weave_cli.router.overlay.sleeve_packets import (
    ETHERNET_HEADER_LEN,
    FRAME_HEADER_LEN,
    NAME_LEN,
    is_special,
)
from weave_cli.router.sleeve.doors import BATCH, FrameDoor, MessageDoor, PacketDoor, RealmDoor
from weave_cli.router.sleeve.drops import DropCounter
from weave_cli.router.sleeve.links import Link
from weave_cli.router.sleeve.messages import (
    BroadcastWanted,
    ForgetNeighbour,
    ForgetRealm,
    MacForgotten,
    MacLearned,
    Message,
    PathMtuFound,
    SendRefused,
    SendSpecial,
    SetBroadcast,
    SetNeighbour,
    SetRealm,
    SetRoutes,
    SpecialReceived,
    UdpAddress,
)
from weave_cli.router.sleeve.packet_socket import Received
from weave_cli.router.sleeve.realms import RealmPorts

#: Verdicts older than this would hide that an address is still in use, or has moved.
VERDICT_LIFETIME_S: Final = 1.0
_MOST_VERDICTS: Final = 16384
_MOST_HELD: Final = 256
_REFUSAL_INTERVAL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Held:
    """A broadcast that was delivered here and waits for the next hops of its source."""

    source: PeerName
    came_from: PeerName
    frame: bytes


@dataclass(slots=True)
class _Plan:
    """A verdict, with links in place of names."""

    verdict: Verdict
    sends: tuple[tuple[Link, bytes], ...]


class Carrier:
    """All state of the sleeve process."""

    def __init__(
        self,
        us: PeerName,
        tap: FrameDoor,
        packets: PacketDoor,
        outbox: MessageDoor,
        open_door: Callable[[int], RealmDoor],
    ) -> None:
        """open_door: makes the door to a realm's bridge of the descriptor of its TAP device."""
        self._us = us
        self._packed_us = pack_peer_name(us)
        self._tap = tap
        self._packets = packets
        self._outbox = outbox
        self._switch = FrameSwitch(us)
        self._links: dict[int, Link] = {}
        self._by_name: dict[bytes, Link] = {}
        self._unicast: Mapping[PeerName, PeerName] = {}
        self._captured: dict[bytes, _Plan] = {}
        self._received: dict[bytes, _Plan] = {}
        self._busy: set[Link] = set()
        self._held: deque[_Held] = deque(maxlen=_MOST_HELD)
        self._drops = DropCounter()
        self._refused_at: dict[int, float] = {}
        self._next_tick: float | None = None
        self.realms = RealmPorts(
            us,
            open_door=open_door,
            find_link=self._find_link,
            note_busy=self._busy.add,
            drops=self._drops,
        )

    def obey(self, message: Message, now: float, descriptor: int | None = None) -> None:
        """What the router says, and the descriptor that came with it."""
        match message:
            case SetRealm():
                self.realms.set_realm(message, descriptor)
            case ForgetRealm(vni=vni):
                self.realms.forget(vni)
            case SetNeighbour():
                self._set_neighbour(message)
            case ForgetNeighbour(conn_id=conn_id):
                self._forget_neighbour(conn_id)
            case SetRoutes(unicast=unicast, broadcast=broadcast):
                self._unicast = unicast
                self._switch.set_routes(unicast, broadcast)
                self._forget_verdicts()
                self._release_held(now)
            case SetBroadcast(source=source, next_hops=next_hops):
                self._switch.set_broadcast(source, next_hops)
                self._forget_verdicts()
                self._release_held(now)
            case SendSpecial(conn_id=conn_id, frame=frame, dont_fragment=dont_fragment):
                if (link := self._links.get(conn_id)) is not None:
                    stream = link.with_df if dont_fragment else link.without_df
                    stream.add_special(link.special_peers, frame)
                    self._busy.add(link)
            case _:
                raise ValueError(f"the router may not say {message}")

    def capture(self, now: float) -> None:
        """Frames wait at the TAP device: send them on their way."""
        read, plans = self._tap.read, self._captured
        for _ in range(BATCH):
            try:
                frame = read()
            except BlockingIOError:
                break
            if frame[12:14] == REALM_ETHERTYPE:
                self._drops.count("a frame that a container marked as a realm's", now)
                continue
            plan = plans.get(frame[:12])
            if plan is None:
                plan = self._plan_captured(frame, now)
            if plan.verdict.by_vxlan:
                for link, _ in plan.sends:
                    link.add_for_vxlan(frame)
                    self._busy.add(link)
            elif plan.sends:
                self._send(plan, frame, now)
            elif plan.verdict.why_dropped:
                self._count(plan.verdict, now)

    def receive(self, now: float) -> None:
        """Packets wait at the UDP socket: open them, and inject or relay their frames."""
        taken = 0
        while taken < BATCH:
            try:
                received = self._packets.receive()
            except BlockingIOError:
                break
            except OSError as problem:
                self._drops.count("an error of the network", now, problem.strerror or "")
                break
            octets, size = received.octets, received.size or 1
            taken += max(1, len(octets) // size)
            for start in range(0, len(octets), size):
                self._take_packet(octets[start : start + size], received, now)
        self.realms.flush(now)
        try:
            self._tap.flush()
        except OSError as problem:
            self._drops.count("a frame that the TAP device refused", now, problem.strerror or "")

    def flush(self, now: float) -> None:
        """Send all that waits."""
        while self._busy:
            link = self._busy.pop()
            datagrams = link.take_for_vxlan()
            if datagrams and link.vxlan_address is not None:
                self._packets.send(datagrams, link.vxlan_address, dont_fragment=False)
            for stream, dont_fragment in ((link.with_df, True), (link.without_df, False)):
                packets = stream.take()
                if not packets or link.address is None:
                    continue
                refusal = self._packets.send(packets, link.address, dont_fragment=dont_fragment)
                if refusal is not None:
                    self._tell_refusal(link, refusal.reason, refusal.path_mtu, now)
        while (event := self._switch.next_event()) is not None:
            match event:
                case MacFound(mac=mac, peer=peer):
                    self._outbox.put(MacLearned(mac=mac, peer=peer))
                case MacLost(mac=mac):
                    self._outbox.put(MacForgotten(mac=mac))
                case BroadcastMissing(source=source):
                    self._outbox.put(BroadcastWanted(source=source))
        for message in self.realms.take_events():
            self._outbox.put(message)
        if self._next_tick is None and not self._drops.is_quiet:
            self._next_tick = now + VERDICT_LIFETIME_S

    def next_wake(self) -> float | None:
        """When on_wake wants to be called."""
        wakes = [wake for wake in (self._next_tick, self._switch.next_wake()) if wake is not None]
        return min((*wakes, *self.realms.wakes()), default=None)

    def on_wake(self, now: float) -> None:
        """Time passed: verdicts are made anew, old MAC addresses go, drops are summed up."""
        if self._next_tick is not None and now >= self._next_tick:
            self._forget_verdicts()
            self._drops.summarise(now)
            self._next_tick = None if self._drops.is_quiet else now + VERDICT_LIFETIME_S
        self._switch.on_wake(now)
        self.realms.on_wake(now)

    def _find_link(self, peer: PeerName) -> Link | None:
        """The link to the next hop for that peer."""
        hop = self._unicast.get(peer)
        return None if hop is None else self._link_to(hop)

    def _link_to(self, neighbour: PeerName) -> Link | None:
        """None while nobody knows where to send."""
        link = self._by_name.get(pack_peer_name(neighbour))
        return link if link is not None and link.address is not None else None

    def _set_neighbour(self, told: SetNeighbour) -> None:
        link = self._links.get(told.conn_id)
        if link is None:
            link = self._links[told.conn_id] = Link(self._packed_us, told)
        else:
            link.change(told)
        self._by_name[link.packed_name] = link
        self._follow_vxlan()

    def _forget_neighbour(self, conn_id: int) -> None:
        link = self._links.pop(conn_id, None)
        if link is None:
            return
        self._busy.discard(link)
        self._refused_at.pop(conn_id, None)
        if self._by_name.get(link.packed_name) is link:
            del self._by_name[link.packed_name]
        self._follow_vxlan()

    def _follow_vxlan(self) -> None:
        carriage = {link.name: link.carriage for link in self._by_name.values()}
        self._switch.set_carriage(carriage)
        self.realms.set_carriage(carriage)
        self._forget_verdicts()

    def _forget_verdicts(self) -> None:
        self._captured.clear()
        self._received.clear()

    def _plan_captured(self, frame: bytes, now: float) -> _Plan:
        if len(frame) < ETHERNET_HEADER_LEN:
            return _Plan(Verdict(why_dropped="a frame without a header"), ())
        plan = self._plan(self._switch.captured(frame[:6], frame[6:12], now))
        return self._keep(self._captured, frame[:12], plan, now)

    def _take_packet(self, payload: bytes, received: Received, now: float) -> None:
        link, origin = self._by_name.get(payload[:NAME_LEN]), received.address
        if link is None:
            self._drops.count("a packet from no neighbour", now, f"from {origin[0]}")
            return
        try:
            frames = link.open(payload)
            if frames is None:
                self._drops.count("a packet that came twice", now, f"from {origin[0]}")
            else:
                self._take_frames(link, frames, origin, received.is_checked or link.is_sealed, now)
        except RemoteProtocolError as problem:
            self._drops.count("a malformed packet", now, f"{problem} from {origin[0]}")

    def _take_frames(self, link: Link, frames: bytes, address: UdpAddress, is_sure: bool, now: float) -> None:
        """The frames of one packet; those before a fault in the list count, as with Go routers."""
        at, end, plans = 0, len(frames), self._received
        while end - at >= FRAME_HEADER_LEN:
            start = at + FRAME_HEADER_LEN
            stop = start + (frames[start - 2] << 8 | frames[start - 1])
            if stop > end:
                raise RemoteProtocolError(f"frame of {stop - start} octets, {end - start} left")
            frame = frames[start:stop]
            if frame[12:14] == REALM_ETHERTYPE:
                self.realms.receive(frames[at : at + 12], frame, now, is_sure=is_sure)
                at = stop
                continue
            key = link.packed_name + frames[at : at + 12] + frame[:12]
            plan = plans.get(key)
            if plan is None:
                plan = self._plan_received(link, frames[at : at + 12], frame, address, now)
            if plan is not None:
                if plan.verdict.injects:
                    self._inject(frame, now, is_sure)
                if plan.sends:
                    self._send(plan, frame, now)
                elif plan.verdict.awaits is not None:
                    self._held.append(_Held(plan.verdict.awaits, link.name, frame))
                elif plan.verdict.why_dropped:
                    self._count(plan.verdict, now)
            at = stop
        if at != end:
            raise RemoteProtocolError(f"{end - at} octets of trailing garbage")

    def _plan_received(
        self, link: Link, peers: bytes, frame: bytes, address: UdpAddress, now: float
    ) -> _Plan | None:
        """None for frames that are no frames of containers."""
        if len(frame) < ETHERNET_HEADER_LEN:
            self._drops.count("a frame without a header", now, f"from {address[0]}")
            return None
        if is_special(frame):
            if peers == link.packed_name + self._packed_us:
                self._outbox.put(SpecialReceived(conn_id=link.conn_id, address=address, frame=frame))
            return None
        source, destination = unpack_peer_name(peers[:6]), unpack_peer_name(peers[6:])
        plan = self._plan(self._switch.received(link.name, source, destination, frame[:12], now))
        if plan.verdict.awaits is not None or frame[:12] == bytes(12):
            # Special frames have the same addresses, and answers change the verdict.
            return plan
        return self._keep(self._received, link.packed_name + peers + frame[:12], plan, now)

    def _plan(self, verdict: Verdict) -> _Plan:
        sends = [
            (link, pack_peer_name(copy.source) + pack_peer_name(copy.destination))
            for copy in verdict.copies
            if (link := self._link_to(copy.next_hop)) is not None
        ]
        return _Plan(verdict, tuple(sends))

    def _keep(self, plans: dict[bytes, _Plan], key: bytes, plan: _Plan, now: float) -> _Plan:
        if len(plans) >= _MOST_VERDICTS:
            plans.clear()
        plans[key] = plan
        if self._next_tick is None:
            self._next_tick = now + VERDICT_LIFETIME_S
        return plan

    def _send(self, plan: _Plan, frame: bytes, now: float) -> None:
        is_flooded = plan.verdict.is_flooded
        for link, peers in plan.sends:
            fitted = link.add(peers, frame, is_flooded=is_flooded)
            self._busy.add(link)
            if fitted.why_dropped and fitted.answer is None:
                self._drops.count(f"a frame {fitted.why_dropped}", now)
            if fitted.answer is not None:
                self._answer(peers, fitted.answer, now)

    def _answer(self, peers: bytes, answer: bytes, now: float) -> None:
        """As if it had come from the peer that the frame was for (specification overlay, 3.5)."""
        source, destination = unpack_peer_name(peers[6:]), unpack_peer_name(peers[:6])
        if destination == self._us:
            self._inject(answer, now)
        else:
            verdict = self._switch.received(source, source, destination, answer[:12], now)
            self._send(self._plan(verdict), answer, now)

    def _relay(self, held: _Held, now: float) -> None:
        verdict = self._switch.relayed(held.source, held.came_from)
        if verdict.awaits is not None:
            self._held.append(held)
        else:
            self._send(self._plan(verdict), held.frame, now)

    def _release_held(self, now: float) -> None:
        waiting, self._held = self._held, deque(maxlen=_MOST_HELD)
        for held in waiting:
            self._relay(held, now)

    def _inject(self, frame: bytes, now: float, is_sure: bool = False) -> None:
        try:
            if is_sure:
                self._tap.write_joined(frame)
            else:
                self._tap.write(frame)
        except OSError as problem:
            self._drops.count("a frame that the TAP device refused", now, problem.strerror or "")

    def _count(self, verdict: Verdict, now: float) -> None:
        """The kernel floods to us what is not for us: that is not worth a line."""
        if verdict.why_dropped not in _EXPECTED:
            self._drops.count(f"a frame: {verdict.why_dropped}", now)

    def _tell_refusal(self, link: Link, reason: str, path_mtu: int | None, now: float) -> None:
        if path_mtu is not None:
            if path_mtu != link.told_path_mtu:
                link.told_path_mtu = path_mtu
                self._outbox.put(PathMtuFound(conn_id=link.conn_id, path_mtu=path_mtu))
        elif now >= self._refused_at.get(link.conn_id, now):
            self._refused_at[link.conn_id] = now + _REFUSAL_INTERVAL_S
            self._outbox.put(SendRefused(conn_id=link.conn_id, reason=reason))


_EXPECTED: Final = frozenset({"carried by vxlan", "for a container of this host", "for the next bridge only"})
