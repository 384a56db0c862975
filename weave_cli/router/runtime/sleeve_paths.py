"""Overlay `sleeve` at work: its connections driven here, its frames carried by the sleeve process.

What that process has to know is kept here as a whole, so that one which died can be replaced at any moment.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from weave_cli.errors import HostProblem
from weave_cli.host.listeners import find_listener
from weave_cli.names import PeerName
from weave_cli.router.overlay.mac_homes import MacHomes
from weave_cli.router.overlay.roles import Carriage, Failed, Neighbour
from weave_cli.router.overlay.sleeve import LinkChanged, SleeveConnection, SleeveLink, SpecialReady
from weave_cli.router.runtime.driver import Driver, loop_time
from weave_cli.router.runtime.sleeve_process import SleeveProcess
from weave_cli.router.runtime.sleeve_realms import SleeveRealms
from weave_cli.router.runtime.tap_port import TapPort
from weave_cli.router.sleeve.messages import (
    BroadcastWanted,
    ForgetNeighbour,
    MacForgotten,
    MacLearned,
    Message,
    PathMtuFound,
    SendRefused,
    SendSpecial,
    SetBroadcast,
    SetNeighbour,
    SetRoutes,
    SpecialReceived,
)

log = logging.getLogger(__name__)

#: Neighbours that get a frame which this peer broadcast.
BroadcastRoutes = Callable[[PeerName], tuple[PeerName, ...]]

_NO_ROUTES: Final = SetRoutes(unicast={}, broadcast=())


@dataclass(slots=True)
class _Path:
    """`told` is what the process knows of it; `vxlan_port` the neighbour's, for when vxlan works."""

    forwarder: SleeveConnection
    driver: Driver
    told: SetNeighbour
    vxlan_port: int


class SleevePaths:
    """The sleeve side of all connections. `act(conn_id, event)` is told what concerns the connection."""

    def __init__(
        self, us: PeerName, *, udp_port: int, homes: MacHomes, act: Callable[[int, Any], None]
    ) -> None:
        self._us = us
        self._udp_port = udp_port
        self._act = act
        self._paths: dict[int, _Path] = {}
        self._routes = _NO_ROUTES
        self._broadcast: BroadcastRoutes = lambda source: ()
        self._udp: socket.socket | None = None
        self.tap = TapPort(homes)
        self.process = SleeveProcess(
            us, on_start=self._tell_everything, on_message=self._hear, on_end=self._lose_process
        )
        self.realms = SleeveRealms(self.process)

    async def prepare(self) -> None:
        """Take the UDP port and make the TAP device. Raises HostProblem naming what is in the way."""
        self._udp = _bind_udp(self._udp_port)
        await self.tap.open()

    async def open(self, mtu: int) -> None:
        """Join the TAP device to the bridge and start the process. Raises HostProblem."""
        assert self._udp is not None, "prepare comes first"
        await self.tap.attach(mtu)
        await self.process.start(self.tap.descriptor, self._udp)

    async def resume(self, mtu: int, *, has_tap: bool) -> None:
        """Devices of the host were made anew; the TAP device too, unless `has_tap`. Raises HostProblem."""
        if has_tap:
            await self.tap.attach(mtu)
            return
        await self.process.stop()
        self._lose_process("the TAP device was removed")
        await self.tap.open()
        await self.open(mtu)

    async def close(self) -> None:
        """End the process and with it the device: frames wait for the next run."""
        for conn_id in list(self._paths):
            self.release(conn_id)
        await self.process.stop()
        self.realms.close()
        self.tap.close()
        if self._udp is not None:
            self._udp.close()
            self._udp = None

    def connect(
        self, neighbour: Neighbour, *, is_initiator: bool, session_key: bytes | None, vxlan_port: int
    ) -> None:
        """Our end of a connection, which has yet to start; `neighbour.udp_port` is that of its sleeve."""
        conn_id = neighbour.conn_id
        forwarder = SleeveConnection(
            neighbour, us=self._us, is_initiator=is_initiator, is_sealed=session_key is not None
        )
        told = SetNeighbour(
            conn_id=conn_id,
            name=neighbour.name,
            session_key=session_key,
            is_initiator=is_initiator,
            **_as_told(forwarder.link),
        )
        driver = Driver(forwarder, lambda event: self._do(conn_id, event))
        self._paths[conn_id] = _Path(forwarder, driver, told, vxlan_port)

    def start(self, conn_id: int) -> None:
        if path := self._paths.get(conn_id):
            self.process.send(path.told)
            path.driver.start()

    def release(self, conn_id: int) -> None:
        """The connection ended; unknown ones are ignored."""
        if path := self._paths.pop(conn_id, None):
            path.driver.close()
            self.process.send(ForgetNeighbour(conn_id=conn_id))
            self._follow_carriage(path.told.name)

    def receive_control(self, conn_id: int, sub_tag: int, body: bytes) -> None:
        if path := self._paths.get(conn_id):
            path.forwarder.receive_control(sub_tag, body, loop_time())
            path.driver.settle()

    def verify(self, conn_id: int) -> None:
        """Large frames get lost on the way to the neighbour, or from it: do those of sleeve pass?"""
        if path := self._paths.get(conn_id):
            path.forwarder.verify(loop_time())
            path.driver.settle()

    def measure(self, conn_id: int) -> None:
        """The way carries more than it did: find out how much sleeve may send in one packet."""
        if path := self._paths.get(conn_id):
            path.forwarder.measure(loop_time())
            path.driver.settle()

    def attributes(self, conn_id: int) -> dict[str, str | int | bool]:
        path = self._paths.get(conn_id)
        return path.forwarder.attributes() if path is not None else {}

    def waits_for(self, conn_id: int) -> str:
        """What is missing until it works for the first time; empty when nothing is."""
        path = self._paths.get(conn_id)
        return path.forwarder.waits_for if path is not None else ""

    def set_carriage(self, conn_id: int, carriage: Carriage) -> None:
        """What the kernel carries to the neighbour from now on."""
        if path := self._paths.get(conn_id):
            is_carried = carriage is not Carriage.NOTHING
            address = (path.forwarder.neighbour.address, path.vxlan_port) if is_carried else None
            self._tell(path, replace(path.told, carriage=carriage, vxlan_address=address))
            self._follow_carriage(path.told.name)

    def set_routes(self, unicast: Mapping[PeerName, PeerName], broadcast: BroadcastRoutes) -> None:
        """The tables after a change; `unicast` without ourselves."""
        self._broadcast = broadcast
        self._routes = SetRoutes(unicast=unicast, broadcast=broadcast(self._us))
        self.process.send(self._routes)

    def _do(self, conn_id: int, event: Any) -> None:
        path = self._paths[conn_id]
        match event:
            case LinkChanged(link=link):
                self._tell(path, replace(path.told, **_as_told(link)))
            case SpecialReady(frame=frame, dont_fragment=dont_fragment):
                self.process.send(SendSpecial(conn_id=conn_id, frame=frame, dont_fragment=dont_fragment))
            case _:
                self._act(conn_id, event)

    def _follow_carriage(self, name: PeerName) -> None:
        """Containers of a peer are behind the TAP port unless one of its connections has VXLAN carry."""
        paths = (path for path in self._paths.values() if path.told.name == name)
        is_carried = any(path.told.carriage is not Carriage.NOTHING for path in paths)
        self.tap.carry(name, is_carried)
        self.realms.carry(name, is_carried)

    def _tell(self, path: _Path, told: SetNeighbour) -> None:
        path.told = told
        self.process.send(told)

    def _tell_everything(self) -> None:
        self.process.send(self._routes)
        for path in self._paths.values():
            self.process.send(path.told)
        self.realms.tell_everything()

    def _lose_process(self, reason: str) -> None:
        self.tap.lose_process()
        self.realms.lose_process()
        for conn_id, path in list(self._paths.items()):
            if path.told.session_key is not None:
                # Its counters died with it, and a key must not be used from number 0 twice.
                self._act(conn_id, Failed(f"{reason}, and a key serves one process only"))

    def _hear(self, message: Message) -> None:
        match message:
            case SpecialReceived(conn_id=conn_id, frame=frame, address=address):
                if path := self._paths.get(conn_id):
                    path.forwarder.receive_special(frame, address, loop_time())
                    path.driver.settle()
            case PathMtuFound(conn_id=conn_id, path_mtu=path_mtu):
                if path := self._paths.get(conn_id):
                    path.forwarder.on_path_mtu(path_mtu, loop_time())
                    path.driver.settle()
            case SendRefused(conn_id=conn_id, reason=reason):
                if path := self._paths.get(conn_id):
                    path.forwarder.on_refusal(reason)
            case BroadcastWanted(source=source):
                self.process.send(SetBroadcast(source=source, next_hops=self._broadcast(source)))
            case MacLearned() | MacForgotten() if message.vni:
                self.realms.hear(message)
            case MacLearned() | MacForgotten():
                self.tap.hear(message)
            case _:
                log.error("the sleeve process said what only the router may say: %s", message)


def _as_told(link: SleeveLink) -> dict[str, Any]:
    return {
        "address": link.address,
        "mtu": link.mtu,
        "max_payload": link.max_payload,
        "fragments_pass": link.fragments_pass,
    }


def _bind_udp(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        made.bind(("0.0.0.0", port))
    except OSError as error:
        made.close()
        owner = find_listener("udp", port)
        raise HostProblem(
            f"cannot listen on UDP port {port} for overlay sleeve: "
            + (f"in use by {owner}" if owner else str(error.strerror)),
            hint="Stop that program, or choose another port, the same on all hosts, with WEAVE_PORT.",
        ) from error
    return made
