"""Overlay `vxlan` at work: its heartbeats through sockets, its connections driven. Knows no entry."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from weave_cli.names import PeerName
from weave_cli.router.overlay.heartbeat import HeartbeatKind, decode_heartbeat
from weave_cli.router.overlay.roles import Neighbour
from weave_cli.router.overlay.vxlan import HeartbeatReady, VxlanConnection
from weave_cli.router.runtime.driver import Driver, loop_time
from weave_cli.router.runtime.vxlan_sockets import HeartbeatSocket, PathProbe


@dataclass(slots=True)
class _Path:
    forwarder: VxlanConnection
    driver: Driver
    probe: PathProbe


class VxlanPaths:
    """The vxlan side of all connections. `act(conn_id, event)` is told what is not about heartbeats."""

    def __init__(self, us: PeerName, *, rng: random.Random, act: Callable[[int, Any], None]) -> None:
        self._us = us
        self._rng = rng
        self._act = act
        self._paths: dict[int, _Path] = {}
        self._socket: HeartbeatSocket | None = None

    def open(self) -> None:
        """Listen for heartbeats, on new devices if need be. Raises HostProblem."""
        self._close_socket()
        self._socket = HeartbeatSocket()
        asyncio.get_running_loop().add_reader(self._socket, self._on_readable)

    def close(self) -> None:
        for conn_id in list(self._paths):
            self.release(conn_id)
        self._close_socket()

    def connect(self, neighbour: Neighbour, *, mtu: int) -> None:
        """Our end of a connection, which has yet to start. Raises HostProblem when there is no route."""
        conn_id = neighbour.conn_id
        probe = PathProbe(neighbour.address, neighbour.udp_port)
        forwarder = VxlanConnection(neighbour, us=self._us, mtu=mtu, rng=self._rng)
        driver = Driver(forwarder, lambda event: self._do(conn_id, event))
        self._paths[conn_id] = _Path(forwarder, driver, probe)

    def start(self, conn_id: int) -> None:
        """The way to the neighbour's device is known: without it heartbeats would be flooded to everybody."""
        if path := self._paths.get(conn_id):
            path.driver.start()

    def release(self, conn_id: int) -> None:
        """The connection ended; unknown ones are ignored."""
        if path := self._paths.pop(conn_id, None):
            path.driver.close()
            path.probe.close()

    def receive_control(self, conn_id: int, sub_tag: int, body: bytes) -> None:
        if path := self._paths.get(conn_id):
            path.forwarder.receive_control(sub_tag, body, loop_time())
            path.driver.settle()

    def is_working(self, conn_id: int) -> bool:
        """Whether frames get through on this connection, as far as heartbeats tell."""
        path = self._paths.get(conn_id)
        return path is not None and path.forwarder.is_working

    def is_wide(self, conn_id: int) -> bool:
        """Whether large ones do, too."""
        path = self._paths.get(conn_id)
        return path is not None and path.forwarder.is_working and not path.forwarder.is_narrow

    def attributes(self, conn_id: int) -> dict[str, str | int | bool]:
        path = self._paths.get(conn_id)
        return path.forwarder.attributes() if path is not None else {}

    def _do(self, conn_id: int, event: Any) -> None:
        if isinstance(event, HeartbeatReady):
            self._send(self._paths[conn_id], event)
        else:
            self._act(conn_id, event)

    def _send(self, path: _Path, event: HeartbeatReady) -> None:
        if event.kind is HeartbeatKind.FULL_SIZE:
            outcome = path.probe.send(event.frame)
            if outcome.path_mtu is not None:
                path.forwarder.on_path_mtu(outcome.path_mtu, loop_time())
            refusal = outcome.refusal
        else:
            refusal = self._socket.send(event.frame) if self._socket is not None else None
        if refusal is not None:
            path.forwarder.on_refusal(refusal)

    def _on_readable(self) -> None:
        assert self._socket is not None
        for frame in self._socket.receive():
            heartbeat = decode_heartbeat(frame)
            if heartbeat is None:
                continue
            for path in list(self._paths.values()):
                if path.forwarder.neighbour.uid == heartbeat.uid:
                    path.forwarder.receive_heartbeat(heartbeat, loop_time())
                    path.driver.settle()

    def _close_socket(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
