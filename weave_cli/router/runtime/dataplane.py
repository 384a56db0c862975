"""The way of frames between this host and its neighbours: overlays side by side, and the switch among them.

Connections come from the mesh and are named by its connection numbers. Answers are given through functions,
never from within a call of ours. Netlink and iptables are spoken to in threads.

The kernel carries what it can by VXLAN; the sleeve process carries the rest, through the TAP device.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from weave_cli.errors import HostProblem
from weave_cli.host.network import HostNetwork
from weave_cli.names import UNKNOWN_PEER, PeerName, format_peer_name
from weave_cli.realms import Realm
from weave_cli.router.overlay.controls import ControlCodec
from weave_cli.router.overlay.mac_homes import MacHomes
from weave_cli.router.overlay.roles import (
    ControlReady,
    Established,
    Failed,
    Held,
    Narrow,
    Neighbour,
    PathMtuChanged,
    negotiate,
)
from weave_cli.router.overlay.sleeve import SLEEVE
from weave_cli.router.overlay.switch import BestChanged, NoneWorks, OverlaySwitch, SwitchEvent
from weave_cli.router.overlay.vxlan import VXLAN
from weave_cli.router.overlay.vxlan_terms import PORT_FEATURE, find_obstacle, remote_port
from weave_cli.router.runtime.host_upkeep import HostUpkeep
from weave_cli.router.runtime.kernel_carriage import KernelCarriage
from weave_cli.router.runtime.plane_settings import DataPlaneSettings, make_wish
from weave_cli.router.runtime.realm_desk import RealmDesk
from weave_cli.router.runtime.sleeve_paths import BroadcastRoutes, SleevePaths
from weave_cli.router.runtime.tasks import Tasks
from weave_cli.router.runtime.vxlan_paths import VxlanPaths

if TYPE_CHECKING:
    from weave_cli.router.wire.intro import Features

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Connection:
    """What is kept for a connection as long as it lasts."""

    neighbour: Neighbour
    switch: OverlaySwitch
    controls: ControlCodec
    is_established: bool = False

    @property
    def who(self) -> str:
        return f"{format_peer_name(self.neighbour.name)}({self.neighbour.nickname})"


_SWITCHED_OFF: Final = "switched off on this host, by WEAVE_NO_FASTDP"


class DataPlane:
    """All overlays of this router."""

    def __init__(self, settings: DataPlaneSettings, *, rng: random.Random) -> None:
        self.overlays: Final = (VXLAN, SLEEVE) if settings.wants_vxlan else (SLEEVE,)
        self._settings = settings
        self.upkeep = HostUpkeep(make_wish(settings))
        self._connections: dict[int, _Connection] = {}
        self._leading: frozenset[PeerName] = frozenset()
        self.macs = MacHomes()
        self._vxlan = VxlanPaths(
            settings.name, rng=rng, act=lambda conn_id, event: self._act(conn_id, VXLAN, event)
        )
        self._sleeve = SleevePaths(
            settings.name,
            udp_port=settings.mesh_port,
            homes=self.macs,
            act=lambda conn_id, event: self._act(conn_id, SLEEVE, event),
        )
        self._kernel = KernelCarriage(
            linger_s=settings.linger_s,
            may_inherit=settings.may_be_clear,
            tell=self._sleeve.set_carriage,
        )
        self.realms = RealmDesk(settings.name, settings.vxlan_port, lambda: self.mtu, self._follow_realms)
        self._tasks = Tasks("the data path could not do its work")
        self._keepers: tuple[asyncio.Task[None], ...] = ()
        self._on_established: Callable[[int], None] = lambda conn_id: None
        self._on_failed: Callable[[int, str], None] = lambda conn_id, reason: None
        self._send_control: Callable[[int, int, bytes], None] = lambda conn_id, tag, payload: None
        self._on_realms: Callable[[frozenset[int]], None] = lambda vnis: None

    def report_to(
        self,
        *,
        on_established: Callable[[int], None],
        on_failed: Callable[[int, str], None],
        send_control: Callable[[int, int, bytes], None],
    ) -> None:
        """Who is told: frames travel; no overlay works (any more), close it; send tag and payload."""
        self._on_established = on_established
        self._on_failed = on_failed
        self._send_control = send_control

    def report_realms_to(self, on_realms: Callable[[frozenset[int]], None]) -> None:
        """Who is told the numbers of the realms that this host has, after each change."""
        self._on_realms = on_realms

    def set_realm_members(self, members: Mapping[int, frozenset[PeerName]]) -> None:
        """Which other peers have which realms, by number."""
        self._sleeve.realms.set_members(members)

    def features(self) -> Mapping[str, str]:
        """Keys to add to the features that we announce, beside the names in `overlays`."""
        return {PORT_FEATURE: str(self._settings.vxlan_port)}

    @property
    def mtu(self) -> int:
        """MTU, in octets, of bridge and containers."""
        return self.upkeep.network.mtu

    @property
    def sleeve_pid(self) -> int | None:
        """Process id of the sleeve process; None while there is none."""
        return self._sleeve.process.pid

    async def prepare(self) -> HostNetwork:
        """Make bridge, devices, sysctls and rules. Raises HostProblem that says what is in the way."""
        await self._sleeve.prepare()
        return await self.upkeep.prepare()

    async def open(self) -> None:
        """Take over an earlier run's entries, begin to listen, look after the host's network."""
        await self._kernel.open()
        self._vxlan.open()
        await self._sleeve.open(self.mtu)
        await self.realms.open()
        self._keepers = (
            self._tasks.begin(self.upkeep.keep_up(self._resume)),
            self._tasks.begin(self.realms.keep_up()),
        )

    async def close(self) -> None:
        """Let go of sockets and timers; kernel devices, entries and rules stay, containers go on talking."""
        for keeper in self._keepers:
            keeper.cancel()
        self._connections.clear()
        await self._tasks.ended()
        self._vxlan.close()
        await self._kernel.close()
        await self._sleeve.close()

    def start_connection(
        self,
        conn_id: int,
        features: Features,
        *,
        connection_uid: int,
        remote_ip: str,
        outbound: bool,
        address: str,
        session_key: bytes | None = None,
    ) -> None:
        """A connection was introduced: prove overlays to it. `address` is host:port, as dialled.

        session_key: with which frames are to be sealed; None: they go in clear.
        """
        text = address.rpartition(":")[2]
        dialled = int(text) if outbound and text.isdigit() else None
        own_port = self._settings.vxlan_port
        neighbour = Neighbour(
            conn_id=conn_id,
            uid=connection_uid,
            name=features.name,
            nickname=features.nickname,
            address=remote_ip,
            udp_port=remote_port(features.extra, dialled_port=dialled, own_port=own_port),
        )
        # A peer that announces nothing knows sleeve only (specification overlay, section 1.1).
        offered = (SLEEVE,) if features.overlays is None else features.overlays
        common = negotiate(self.overlays, offered)
        if SLEEVE in common:
            sleeve_end = replace(neighbour, udp_port=dialled or self._settings.mesh_port)
            self._sleeve.connect(
                sleeve_end,
                is_initiator=outbound,
                session_key=session_key,
                vxlan_port=neighbour.udp_port,
            )
        obstacle: str | None = _SWITCHED_OFF
        if VXLAN in self.overlays:
            obstacle = find_obstacle(
                neighbour, offered, own_port=own_port, is_sealed=session_key is not None
            ) or self._connect_vxlan(neighbour)
        obstacles = {} if obstacle is None else {VXLAN: obstacle}
        tried = tuple(name for name in common if name not in obstacles)
        controls = ControlCodec(common, is_compatible=features.overlays is None)
        connection = _Connection(neighbour, OverlaySwitch(tried, obstacles), controls)
        self._connections[conn_id] = connection
        if tried:
            self._tasks.begin(self._start(conn_id, connection))
        elif common:
            self._fail(conn_id, f"no working forwarders to {connection.who}: {VXLAN}: {obstacle}")
        else:
            theirs, ours = " ".join(offered) or "none", " ".join(self.overlays)
            self._fail(conn_id, f"no overlays in common with peer (it offers {theirs}, we offer {ours})")

    def receive_control(self, conn_id: int, tag: int, payload: bytes) -> None:
        """A message of tag 1, 2, 3 or 7 came over TCP; one for a connection that ended is ignored.

        Raises RemoteProtocolError for one that no peer of this connection may send.
        """
        connection = self._connections.get(conn_id)
        if connection is None:
            return
        name, sub_tag, body = connection.controls.decode(tag, payload)
        self._paths(name).receive_control(conn_id, sub_tag, body)

    def end_connection(self, conn_id: int) -> None:
        """The connection is over; frames that get through still go there for a while. Unknown: ignored."""
        if self._connections.pop(conn_id, None) is None:
            return
        lingers = self._vxlan.is_working(conn_id)
        self._vxlan.release(conn_id)
        self._sleeve.release(conn_id)
        self._kernel.end(conn_id, lingers=lingers)

    def set_routes(self, unicast: Mapping[PeerName, PeerName], broadcast: BroadcastRoutes) -> None:
        """Next hops to every peer, and who gets what a peer broadcast, after a change.

        A neighbour that leads to others passes our broadcasts on to them (specification mesh, section 13).
        """
        hops = {name: hop for name, hop in unicast.items() if hop != UNKNOWN_PEER}
        self._sleeve.set_routes(hops, broadcast)
        indirect = frozenset(name for name, hop in hops.items() if hop != name)
        self._kernel.set_indirect(indirect)
        self._leading = frozenset(hops[name] for name in indirect)
        self._choose_relays()

    def attributes(self, conn_id: int) -> dict[str, str | int | bool]:
        """What status shows: name and MTU of the overlay that carries, and why no better one does.

        While none does, what sleeve waits for: it takes a minute to give up.
        """
        connection = self._connections.get(conn_id)
        if connection is None:
            return {}
        best = connection.switch.best
        own = self._paths(best).attributes(conn_id) if best is not None else {}
        waited = self._sleeve.waits_for(conn_id) if best is None else ""
        return {**own, **({SLEEVE: waited} if waited else {}), **connection.switch.why_not_better()}

    def diagnostics(self) -> dict[str, Any]:
        """By overlay, for experts: to whom the kernel carries what. Sleeve's are empty, as Go's are."""
        carriage = [
            {
                "Name": format_peer_name(one.neighbour.name),
                "Address": one.neighbour.address,
                "Carries": self._kernel.at(one.neighbour.address).name.lower(),
            }
            for one in self._connections.values()
        ]
        return {VXLAN: {"Port": self._settings.vxlan_port, "Carriage": carriage}, SLEEVE: None}

    def _choose_relays(self) -> None:
        """Where sleeve does not work the kernel floods all the same: better one host than none."""
        self._kernel.set_relays(
            frozenset(
                one.neighbour.name
                for one in self._connections.values()
                if one.neighbour.name in self._leading and one.switch.works(SLEEVE)
            )
        )

    def _connect_vxlan(self, neighbour: Neighbour) -> str | None:
        """The reason when it cannot even be tried."""
        try:
            self._vxlan.connect(neighbour, mtu=self.mtu)
        except HostProblem as problem:
            return problem.message
        return None

    async def _start(self, conn_id: int, connection: _Connection) -> None:
        """Without its entry a heartbeat of vxlan would be flooded to everybody."""
        self._sleeve.start(conn_id)
        try:
            await self._kernel.begin(connection.neighbour)
        except (HostProblem, OSError) as problem:
            self._follow(conn_id, connection, connection.switch.failed(VXLAN, str(problem)))
        else:
            self._vxlan.start(conn_id)

    def _act(self, conn_id: int, overlay: str, event: Any) -> None:
        """Do what a connection's overlay asks for."""
        connection = self._connections.get(conn_id)
        if connection is None:
            return
        switch = connection.switch
        match event:
            case ControlReady(sub_tag=sub_tag, body=body):
                tag, payload = connection.controls.encode(overlay, sub_tag, body)
                self._send_control(conn_id, tag, payload)
            case PathMtuChanged(text=text, is_narrower=is_narrower):
                log.log(logging.WARNING if is_narrower else logging.INFO, "%s", text)
            case Established() if overlay == VXLAN:
                self._tasks.begin(self._carry(conn_id, connection))
            case Established():
                self._follow(conn_id, connection, switch.established(overlay))
                self._choose_relays()
            case Narrow(reason=reason):
                self._sleeve.verify(conn_id)
                self._follow(conn_id, connection, switch.narrowed(overlay, reason))
            case Held(reason=reason):
                self._kernel.hold(conn_id)
                self._follow(conn_id, connection, switch.held(overlay, reason))
            case Failed(reason=reason):
                self._follow(conn_id, connection, switch.failed(overlay, reason))
                self._choose_relays()

    async def _carry(self, conn_id: int, connection: _Connection) -> None:
        """The path proved itself: let the kernel carry, then say so."""
        try:
            await self._kernel.carry(conn_id)
        except (HostProblem, OSError) as problem:
            self._kernel.hold(conn_id)
            self._follow(conn_id, connection, connection.switch.failed(VXLAN, str(problem)))
            return
        if self._vxlan.is_wide(conn_id):
            was_narrow = connection.switch.is_narrow(VXLAN)
            self._follow(conn_id, connection, connection.switch.established(VXLAN))
            if was_narrow:
                self._sleeve.measure(conn_id)

    def _follow(self, conn_id: int, connection: _Connection, event: SwitchEvent | None) -> None:
        """What the switch says; nothing about a connection that ended meanwhile."""
        if event is None or self._connections.get(conn_id) is not connection:
            return
        if isinstance(event, BestChanged):
            self._follow_best(conn_id, connection, event)
        match event:
            case NoneWorks(reason=reason):
                self._fail(conn_id, f"no working forwarders to {connection.who}: {reason}")
            case BestChanged() if not connection.is_established:
                connection.is_established = True
                self._on_established(conn_id)
            case BestChanged(before=before, now=now):
                reasons = connection.switch.why_not_better().items()
                why = "".join(f"; {name}: {reason}" for name, reason in reasons)
                log.info("%s: overlay %s after %s%s", connection.who, now or "none", before or "none", why)

    def _follow_best(self, conn_id: int, connection: _Connection, event: BestChanged) -> None:
        """A narrow path carries while no other does."""
        if event.before == VXLAN:
            self._kernel.hold(conn_id)
        elif event.now == VXLAN and connection.switch.is_narrow(VXLAN):
            self._tasks.begin(self._carry(conn_id, connection))

    def _fail(self, conn_id: int, reason: str) -> None:
        asyncio.get_running_loop().call_soon(self._on_failed, conn_id, reason)

    async def _follow_realms(self, realms: frozenset[Realm]) -> None:
        await self._kernel.set_realm_devices(frozenset(realm.vxlan for realm in realms))
        await self._sleeve.realms.set_realms(realms, self.mtu)
        self._on_realms(frozenset(realm.vni for realm in realms))

    def _paths(self, overlay: str) -> VxlanPaths | SleevePaths:
        return self._vxlan if overlay == VXLAN else self._sleeve

    async def _resume(self, network: HostNetwork) -> None:
        """Devices are new ones: entries and sockets of the old ones went with them."""
        await self._kernel.apply()
        self._vxlan.open()
        await self._sleeve.resume(network.mtu, has_tap=network.tap_index is not None)
