"""Applies what the overlays want to the kernel, and feeds them what it tells: sockets, entries, timers.

Connections come from the mesh and are named by its connection numbers. Answers are given through three
functions, never from within a call of ours. Netlink and iptables are spoken to in threads.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from weave_cli.errors import HostProblem
from weave_cli.host.fdb import read_fdb, reconcile_fdb
from weave_cli.host.network import HostNetwork, NetworkWish
from weave_cli.host.rules import FirewallFacts
from weave_cli.names import DOCKER_BRIDGE, HTTP_ADDRESS, PeerName
from weave_cli.router.overlay.device_macs import bridge_mac, overlay_mac
from weave_cli.router.overlay.heartbeat import HeartbeatKind, decode_heartbeat
from weave_cli.router.overlay.roles import (
    ControlReady,
    Established,
    Failed,
    Neighbour,
    PathMtuChanged,
    negotiate,
)
from weave_cli.router.overlay.vxlan import (
    VXLAN,
    HeartbeatReady,
    VxlanConnection,
    VxlanOverlay,
    find_obstacle,
    remote_port,
)
from weave_cli.router.runtime.host_upkeep import HostUpkeep
from weave_cli.router.runtime.vxlan_sockets import HeartbeatSocket, PathProbe
from weave_cli.router.wire.messages import OverlayControl, encode_overlay_control

if TYPE_CHECKING:
    from weave_cli.router.wire.intro import Features

log = logging.getLogger(__name__)


#: Seconds for which frames go on to a neighbour whose router has gone: most only restart, and the kernels on
#: both sides go on without them.
LINGER_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlaneSettings:
    """What the data path is made from; `mtu` is the operator's WEAVE_MTU, None for the underlay's less 50."""

    name: PeerName
    mesh_port: int
    mtu: int | None = None
    docker_bridge: str = DOCKER_BRIDGE
    linger_s: float = LINGER_S
    control_address: str = HTTP_ADDRESS


@dataclass(slots=True)
class _Connection:
    """What is kept for a connection as long as it lasts."""

    overlay: VxlanConnection
    index: int
    probe: PathProbe
    timer: asyncio.TimerHandle | None = None


class DataPlane:
    """The way of frames between this host and its neighbours."""

    overlays: Final = (VXLAN,)

    def __init__(self, settings: DataPlaneSettings, *, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._udp_port = settings.mesh_port + 1
        self.upkeep = HostUpkeep(_wish_of(settings, self._udp_port))
        self._connections: dict[int, _Connection] = {}
        self._overlay: VxlanOverlay | None = None
        self._socket: HeartbeatSocket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lingering: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        # One thread: entries are brought to what was wanted last.
        self._entries_thread = ThreadPoolExecutor(1, thread_name_prefix="entries")
        self._on_established: Callable[[int], None] = lambda conn_id: None
        self._on_failed: Callable[[int, str], None] = lambda conn_id, reason: None
        self._send_control: Callable[[int, bytes], None] = lambda conn_id, payload: None

    def report_to(
        self,
        *,
        on_established: Callable[[int], None],
        on_failed: Callable[[int, str], None],
        send_control: Callable[[int, bytes], None],
    ) -> None:
        """Who is told: frames travel; no overlay works (any more), close it; send this payload with tag 7."""
        self._on_established = on_established
        self._on_failed = on_failed
        self._send_control = send_control

    def features(self) -> Mapping[str, str]:
        """Keys to add to the features that we announce, beside the names in `overlays`."""
        return self._vxlan.features()

    @property
    def mtu(self) -> int:
        """MTU, in octets, of bridge and containers."""
        return self.upkeep.network.mtu

    async def prepare(self) -> HostNetwork:
        """Make bridge, devices, sysctls and rules. Raises HostProblem that says what is in the way."""
        network = await self.upkeep.prepare()
        self._overlay = VxlanOverlay(
            us=self._settings.name, udp_port=self._udp_port, mtu=network.mtu, rng=self._rng
        )
        return network

    async def open(self) -> None:
        """Take over an earlier run's entries for a while, begin to listen, look after the host's network."""
        present = await asyncio.get_running_loop().run_in_executor(self._entries_thread, read_fdb)
        self._vxlan.plan.inherit(one.entry for one in present if one.is_ours)
        await self._apply_entries()
        self._later(lambda: self._vxlan.plan.inherit(()))
        self._open_socket()
        self._keeper = self._begin(self.upkeep.keep_up(self._resume))

    async def close(self) -> None:
        """Let go of sockets and timers; devices, entries and rules stay, containers go on talking."""
        if self._keeper is not None:
            self._keeper.cancel()
        # What lingers stays: the next run takes it over.
        for task in self._lingering:
            task.cancel()
        for connection in self._connections.values():
            self._drop(connection)
        self._connections.clear()
        # The entries of connections that ended a moment ago still go.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close_socket()
        self._entries_thread.shutdown()

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
        """A connection was introduced: prove an overlay to it. `address` is host:port, as dialled.

        session_key: with which frames are to be sealed; None: they go in clear.
        """
        if session_key is not None:
            reason = (
                "no working forwarders: no overlay seals frames yet; --trusted-subnets lets them go in clear"
            )
            asyncio.get_running_loop().call_soon(self._on_failed, conn_id, reason)
            return
        offered = features.overlays or ()
        common = negotiate(self.overlays, offered)
        dialled = address.rpartition(":")[2]
        port = remote_port(
            features.extra,
            dialled_port=int(dialled) if outbound and dialled.isdigit() else None,
            own_port=self._udp_port,
        )
        neighbour = Neighbour(
            conn_id=conn_id,
            uid=connection_uid,
            name=features.name,
            nickname=features.nickname,
            address=remote_ip,
            udp_port=port,
        )
        try:
            if obstacle := find_obstacle(neighbour, common, offered, own_port=self._udp_port):
                raise HostProblem(obstacle)
            probe = PathProbe(remote_ip, port)
        except HostProblem as problem:
            asyncio.get_running_loop().call_soon(self._on_failed, conn_id, problem.message)
            return
        overlay = self._vxlan.connect(neighbour)
        connection = _Connection(overlay, common.index(VXLAN), probe)
        self._connections[conn_id] = connection
        self._begin(self._start_when_reachable(conn_id, connection))

    def receive_control(self, conn_id: int, index: int, sub_tag: int, body: bytes) -> None:
        """An overlay control message came over TCP; one for no overlay of ours is ignored."""
        connection = self._connections.get(conn_id)
        if connection is None or index != connection.index:
            log.debug("ignored control %d of overlay %d on connection %d", sub_tag, index, conn_id)
            return
        connection.overlay.receive_control(sub_tag, body, self._now())
        self._settle(conn_id, connection)

    def end_connection(self, conn_id: int) -> None:
        """The connection is over; frames that get through still go there for a while. Unknown: ignored."""
        connection = self._connections.pop(conn_id, None)
        if connection is None:
            return
        self._drop(connection)
        if connection.overlay.is_working:
            self._later(lambda: self._vxlan.release(conn_id))
        else:
            self._vxlan.release(conn_id)
            self._begin(self._apply_entries())

    def attributes(self, conn_id: int) -> dict[str, str | int | bool]:
        """What status shows: overlay name, MTU, the path's when narrower; empty for unknown connections."""
        connection = self._connections.get(conn_id)
        return connection.overlay.attributes() if connection is not None else {}

    @property
    def _vxlan(self) -> VxlanOverlay:
        assert self._overlay is not None, "prepare comes first"
        return self._overlay

    async def _start_when_reachable(self, conn_id: int, connection: _Connection) -> None:
        """Without its entry a heartbeat would be flooded to everybody."""
        try:
            await self._apply_entries()
        except (HostProblem, OSError) as problem:
            self._on_failed(conn_id, str(problem))
            return
        if self._connections.get(conn_id) is connection:
            connection.overlay.start(self._now())
            self._settle(conn_id, connection)

    async def _establish(self, conn_id: int, connection: _Connection) -> None:
        self._vxlan.plan.flood(conn_id)
        try:
            await self._apply_entries()
        except (HostProblem, OSError) as problem:
            self._on_failed(conn_id, str(problem))
            return
        if self._connections.get(conn_id) is connection:
            self._on_established(conn_id)

    def _later(self, change_plan: Callable[[], None]) -> None:
        """Change the plan of entries when those that it takes away have lingered."""
        task = self._begin(self._change_later(change_plan))
        self._lingering.add(task)
        task.add_done_callback(self._lingering.discard)

    async def _change_later(self, change_plan: Callable[[], None]) -> None:
        await asyncio.sleep(self._settings.linger_s)
        change_plan()
        await self._apply_entries()

    async def _apply_entries(self) -> None:
        wanted = self._vxlan.plan.wanted()
        await asyncio.get_running_loop().run_in_executor(self._entries_thread, reconcile_fdb, wanted)

    def _on_readable(self) -> None:
        assert self._socket is not None
        for frame in self._socket.receive():
            heartbeat = decode_heartbeat(frame)
            if heartbeat is None:
                continue
            for conn_id, connection in list(self._connections.items()):
                if connection.overlay.neighbour.uid == heartbeat.uid:
                    connection.overlay.receive_heartbeat(heartbeat, self._now())
                    self._settle(conn_id, connection)

    def _on_timer(self, conn_id: int, connection: _Connection) -> None:
        connection.timer = None
        connection.overlay.on_wake(self._now())
        self._settle(conn_id, connection)

    def _settle(self, conn_id: int, connection: _Connection) -> None:
        """Do what the overlay asks for, then set its timer; the only place that sets one."""
        while self._connections.get(conn_id) is connection and (event := connection.overlay.next_event()):
            match event:
                case HeartbeatReady():
                    self._send_heartbeat(connection, event)
                case ControlReady(sub_tag=sub_tag, body=body):
                    control = OverlayControl(connection.index, sub_tag, body)
                    self._send_control(conn_id, encode_overlay_control(control))
                case PathMtuChanged(text=text, is_narrower=is_narrower):
                    log.log(logging.WARNING if is_narrower else logging.INFO, "%s", text)
                case Established():
                    self._begin(self._establish(conn_id, connection))
                case Failed(reason=reason):
                    asyncio.get_running_loop().call_soon(self._on_failed, conn_id, reason)
        if connection.timer is not None:
            connection.timer.cancel()
            connection.timer = None
        wake = connection.overlay.next_wake()
        if wake is not None and self._connections.get(conn_id) is connection:
            loop = asyncio.get_running_loop()
            connection.timer = loop.call_at(wake, self._on_timer, conn_id, connection)

    def _send_heartbeat(self, connection: _Connection, event: HeartbeatReady) -> None:
        if event.kind is HeartbeatKind.FULL_SIZE:
            outcome = connection.probe.send(event.frame)
            if outcome.path_mtu is not None:
                connection.overlay.on_path_mtu(outcome.path_mtu, self._now())
            refusal = outcome.refusal
        else:
            refusal = self._socket.send(event.frame) if self._socket is not None else None
        if refusal is not None:
            connection.overlay.on_refusal(refusal)

    async def _resume(self) -> None:
        """The devices are new ones: entries and sockets of the old ones went with them."""
        await self._apply_entries()
        self._close_socket()
        self._open_socket()

    def _open_socket(self) -> None:
        self._socket = HeartbeatSocket()
        asyncio.get_running_loop().add_reader(self._socket, self._on_readable)

    def _close_socket(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _drop(self, connection: _Connection) -> None:
        connection.probe.close()
        if connection.timer is not None:
            connection.timer.cancel()

    def _begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("the data path could not do its work: %s", problem)

    def _now(self) -> float:
        """The loop's clock: nobody sets it, so no leap of the wall clock looks like a silence."""
        return asyncio.get_running_loop().time()


def _wish_of(settings: DataPlaneSettings, udp_port: int) -> NetworkWish:
    return NetworkWish(
        bridge_mac=bridge_mac(settings.name),
        vxlan_mac=overlay_mac(settings.name),
        udp_port=udp_port,
        mtu=settings.mtu,
        firewall=FirewallFacts(
            mesh_port=settings.mesh_port,
            docker_bridge=settings.docker_bridge,
            control_address=settings.control_address,
        ),
    )
