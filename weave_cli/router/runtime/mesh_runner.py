"""Joins links, mesh node and data path: what one of them says becomes what the others do.

All of it runs in the event loop's thread. After every stimulus the owner's pump settles what is left: journal
first, then answers and messages (architecture, section 5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.mesh.events import CloseConnection, DataPending, Dial, PeersForgotten, RoutesChanged
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.overlay.controls import CONTROL_TAGS
from weave_cli.router.runtime.dataplane import DataPlane
from weave_cli.router.runtime.seldom import SeldomLog, kind_of
from weave_cli.router.runtime.transport import PeerLink, Transport
from weave_cli.router.wire.connection import Introduced
from weave_cli.router.wire.messages import Tag

log = logging.getLogger(__name__)


class MeshRunner:
    """Owner of the links, and the only one who talks to the mesh node about connections."""

    def __init__(
        self,
        node: MeshNode,
        dataplane: DataPlane,
        clock: Callable[[], float],
        pump: Callable[[], None],
        on_forgotten: Callable[[Iterable[PeerName]], None],
        trusts: Callable[[str], bool] = lambda ip: False,
    ) -> None:
        """trusts: is that remote address in a subnet where frames may travel in clear?"""
        self._node = node
        self._dataplane = dataplane
        self._clock = clock
        self._pump = pump
        self._on_forgotten = on_forgotten
        self._trusts = trusts
        self._links: dict[int, PeerLink] = {}
        self._pending: set[int] = set()
        self.transport: Transport | None = None
        self.terminations = 0
        self._will_pump = False
        self._refusals = SeldomLog(log, logging.INFO)

    # What links say

    def link_introduced(self, link: PeerLink, introduced: Introduced) -> None:
        now = self._clock()
        features = introduced.features
        try:
            self._node.check_introduction(features, link.address, link.outbound)
        except RemoteProtocolError as problem:
            link.close(str(problem))
            return
        self._links[link.number] = link
        link.label = f"{link.address}|{format_peer_name(features.name)}({features.nickname})"
        self._node.add_connection(
            link.number,
            features,
            address=link.address,
            outbound=link.outbound,
            connection_uid=introduced.connection_uid,
            now=now,
        )
        self._pump()
        if link.number in self._links:
            log.info("->[%s]: connection introduced", link.label)
            # Messages of this connection are sealed whenever there is a password; frames, unless both sides
            # trust the network between them (specification mesh, section 15).
            is_trusted = features.trusted and self._trusts(link.remote_ip)
            link.session_key = None if is_trusted else introduced.session_key
            self._dataplane.start_connection(
                link.number,
                features,
                connection_uid=introduced.connection_uid,
                remote_ip=link.remote_ip,
                outbound=link.outbound,
                address=link.address,
                session_key=link.session_key,
            )

    def link_received(self, link: PeerLink, tag: int, payload: bytes) -> None:
        if link.number not in self._links:
            return
        match tag:
            case Tag.GOSSIP | Tag.UNICAST | Tag.BROADCAST:
                self._node.receive(link.number, tag, payload, self._clock())
                self._pump_soon()
            case _ if tag in CONTROL_TAGS:
                try:
                    self._dataplane.receive_control(link.number, tag, payload)
                except RemoteProtocolError as problem:
                    link.close(str(problem))
            case _:
                log.info("->[%s]: ignoring a message with the unknown tag %d", link.address, tag)

    def link_writable(self, link: PeerLink) -> None:
        # By the pump, not at once: gossip is made when it is sent, and must not tell what is not committed.
        self._pending.add(link.number)
        self._pump_soon()

    def link_closed(self, link: PeerLink, reason: str) -> None:
        assert self.transport is not None
        self.transport.forget(link)
        if self._links.pop(link.number, None):
            self.terminations += 1
            log.info("->[%s]: connection shutting down: %s", link.label, reason)
            self._dataplane.end_connection(link.number)
            self._node.connection_ended(link.number, reason, self._clock())
        else:
            said = f"->[{link.address}]: connection refused or lost before introduction: {reason}"
            if link.outbound:
                log.info("%s", said)
                self._node.dial_failed(link.address, reason, self._clock())
            else:
                self._refusals.tell(kind_of(link.remote_ip, reason), said)
        self._pump()

    def is_encrypted(self, conn_id: int) -> bool:
        """Are frames of this connection to be sealed?"""
        link = self._links.get(conn_id)
        return link is not None and link.session_key is not None

    def round_trip_us(self, conn_id: int) -> int | None:
        """How long a packet takes to that peer and back, in microseconds."""
        link = self._links.get(conn_id)
        return None if link is None else link.round_trip_us()

    # What the data path says

    def overlay_established(self, conn_id: int) -> None:
        if link := self._links.get(conn_id):
            overlay = self._dataplane.attributes(conn_id).get("name", "none")
            log.info("->[%s]: connection established, using overlay %s", link.label, overlay)
        self._node.connection_established(conn_id, self._clock())
        self._pump()

    def overlay_failed(self, conn_id: int, reason: str) -> None:
        if link := self._links.get(conn_id):
            link.close(reason)

    def send_control(self, conn_id: int, tag: int, payload: bytes) -> None:
        if link := self._links.get(conn_id):
            link.send((tag, payload))

    # What the mesh node says

    def settle(self) -> None:
        """Do what the node asks for, except sending: that waits for the commit."""
        while event := self._node.next_event():
            match event:
                case DataPending(conn_id=conn_id):
                    self._pending.add(conn_id)
                case Dial(address=address):
                    assert self.transport is not None
                    self.transport.dial(address, self._dial_failed)
                case CloseConnection(conn_id=conn_id, reason=reason):
                    if link := self._links.get(conn_id):
                        link.close(reason)
                case PeersForgotten(names=names):
                    self._on_forgotten(names)
                case RoutesChanged():
                    self._dataplane.set_routes(self._node.frame_routes, self._node.frame_broadcast)

    def send_all(self) -> None:
        """Send what waits, on every connection that can take more."""
        pending, self._pending = self._pending, set()
        for number in pending:
            link = self._links.get(number)
            if link is None:
                continue
            if not link.writable:
                continue  # link_writable comes back for it
            link.send(*self._node.send_pending(number, self._clock()))

    def _pump_soon(self) -> None:
        """Let all that has come in by now be answered together."""
        if not self._will_pump:
            self._will_pump = True
            asyncio.get_running_loop().call_soon(self._pump_now)

    def _pump_now(self) -> None:
        self._will_pump = False
        self._pump()

    def _dial_failed(self, address: str, reason: str) -> None:
        log.info("->[%s]: %s", address, reason)
        self._node.dial_failed(address, reason, self._clock())
        self._pump()
