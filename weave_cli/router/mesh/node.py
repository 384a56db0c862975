"""One mesh node: peers, routes, gossip and targets behind the five verbs, without any I/O.

The runtime owns sockets and clock. It tells the node what happened (`add_connection`, `receive`,
`connection_ended`, `dial_failed`, ...), then takes what `next_event` gives, pulls `send_pending` for the
connections that have something, and calls `on_wake` at `next_wake`. Times are Unix seconds.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import UNKNOWN_PEER, PeerName, format_peer_name
from weave_cli.router.mesh import topology_channel
from weave_cli.router.mesh.channels import GOSSIP_INTERVAL_S, Channels
from weave_cli.router.mesh.events import (
    CloseConnection,
    DataPending,
    Dial,
    MeshEvent,
    PeersForgotten,
    RoutesChanged,
)
from weave_cli.router.mesh.gossip import Channel, Gossiper
from weave_cli.router.mesh.maker import ConnectionMaker
from weave_cli.router.mesh.news import TopologyNews, news_features, tells_all
from weave_cli.router.mesh.ourself import LocalConnection, Ourself
from weave_cli.router.mesh.outbox import Outbox
from weave_cli.router.mesh.pacing import Pacer
from weave_cli.router.mesh.peers import Applied, Peer, PeerTable
from weave_cli.router.mesh.routes import Routes
from weave_cli.router.mesh.targets import DirectTarget
from weave_cli.router.mesh.topology_channel import TopologyChannel
from weave_cli.router.mesh.views import BroadcastRoute, ConnectionView, TargetView, UnicastRoute
from weave_cli.router.wire.intro import Features

_log = logging.getLogger(__name__)

_COLLECT_GAP_S = 1.0
_ROUTES_GAP_S = 0.1


class MeshNode:
    """A router's membership of the mesh; `port` is taken for addresses that come without one."""

    def __init__(
        self,
        *,
        name: PeerName,
        nickname: str,
        uid: int,
        short_id: int | None,
        port: int,
        discovery: bool,
        connection_limit: int,
        rng: random.Random,
        now: float,
    ) -> None:
        ourselves = Peer(name=name, nickname=nickname, uid=uid, short_id=short_id)
        self._peers = PeerTable(ourselves)
        self._ourself = Ourself(ourselves, self._peers, connection_limit=connection_limit, rng=rng)
        self._routes = Routes(name, self._peers)
        self._channels = Channels(self._ourself, self._routes, rng)
        self._maker = ConnectionMaker(self._ourself, self._peers, port=port, discovery=discovery, rng=rng)
        self._events: deque[MeshEvent] = deque()
        self._news = TopologyNews(name, self._peers, self._routes, self._channels, rng)
        #: Who sent the message that is being handled.
        self._source: LocalConnection | None = None
        self._collections = Pacer(_COLLECT_GAP_S)
        self._route_reports = Pacer(_ROUTES_GAP_S)
        # Routers that start together should not all gossip in the same instant.
        self._next_gossip = now + rng.uniform(0, GOSSIP_INTERVAL_S)
        self._channels.open(topology_channel.CHANNEL, TopologyChannel(self._peers, self._on_applied))

    # What channels need

    def open_channel(self, name: str, gossiper: Gossiper) -> Channel:
        """Give the messages of a channel to `gossiper`; it speaks through what is returned."""
        return self._channels.open(name, gossiper)

    def is_known(self, name: PeerName) -> bool:
        """True for ourselves and every peer of the current topology."""
        return name in self._peers

    def nickname_of(self, name: PeerName) -> str:
        """The nickname of a known peer, the empty text for others."""
        peer = self._peers.get(name)
        return "" if peer is None else peer.nickname

    # Connections

    def features(self) -> Mapping[str, str]:
        """Keys to add to the features that we announce."""
        return news_features()

    def check_introduction(self, features: Features, address: str, outbound: bool) -> None:
        """Raise RemoteProtocolError for a remote that we must refuse (specification mesh, section 7)."""
        ours = self._ourself.peer
        if features.name == ours.name:
            text = "cannot connect to ourself"
            if features.uid != ours.uid:
                remote = f"{format_peer_name(features.name)}({features.nickname})"
                text = f'local "{ours}" and remote "{remote}" peer names collision'
            if outbound:
                self._maker.give_up(address, text)
            raise RemoteProtocolError(text)
        if features.name == UNKNOWN_PEER:
            raise RemoteProtocolError(f"{format_peer_name(UNKNOWN_PEER)} cannot be the name of a peer")
        if outbound and features.name not in self._peers and not self._maker.is_direct(address):
            name = format_peer_name(features.name)
            raise RemoteProtocolError(f"Found unknown remote name: {name} at {address}")

    def add_connection(
        self,
        conn_id: int,
        features: Features,
        *,
        address: str,
        outbound: bool,
        connection_uid: int,
        now: float,
    ) -> None:
        """Take up an introduced connection, or answer with CloseConnection for it or for its rival.

        `address` is the text that was dialled, or `ip:port` of the other end of an inbound connection.
        Call this before `receive` for the same connection.
        """
        candidate = LocalConnection(
            conn_id=conn_id,
            remote=features.name,
            remote_uid=features.uid,
            address=address,
            outbound=outbound,
            uid=connection_uid,
            outbox=Outbox(self._ourself.name, lambda: self._events.append(DataPending(conn_id))),
            tells_all=tells_all(features.extra),
        )
        try:
            self.check_introduction(features, address, outbound)
            self._admit(candidate, features, now)
        except RemoteProtocolError as problem:
            self._events.append(CloseConnection(conn_id, problem.message))
            if outbound:
                self._maker.refused(address, features.name, problem.message, now)
        self._settle(now)

    def _admit(self, candidate: LocalConnection, features: Features, now: float) -> None:
        described = Peer(
            name=features.name, nickname=features.nickname, uid=features.uid, short_id=features.short_id
        )
        verdict = self._ourself.judge(candidate, described)
        if verdict.loser is not None:
            problem = f"Multiple connections to {described} added to {self._ourself.peer}"
            self._shut(verdict.loser, problem, now)
        if verdict.refusal is not None:
            if verdict.loser is not None:
                self._collect(now)
            raise RemoteProtocolError(verdict.refusal)
        known = self._peers.get(features.name)
        is_stranger = known is None or known.uid != features.uid
        is_news = is_stranger or features.name not in self._routes.unicast
        is_reached = not is_stranger and features.name in self._routes.unicast_all
        if known is None:
            self._peers.put(described)
        self._ourself.add(candidate)
        if candidate.outbound:
            self._maker.connected(candidate.address, candidate.remote)
        self._topology_changed(now)
        self._news.tell({candidate.remote}, now)
        if is_news:
            # Whom gossip reaches already, by others, hears of the topology by updates. All of it, from
            # everybody to everybody, would be most of what a mesh sends while it comes to be.
            without = {topology_channel.CHANNEL} if is_reached else frozenset[str]()
            self._channels.send_complete_states(candidate, now, without=without)

    def connection_established(self, conn_id: int, now: float) -> None:
        """The overlay of the connection works in both directions."""
        connection = self._ourself.connection(conn_id)
        if connection is not None and not connection.established:
            self._ourself.establish(connection)
            self._topology_changed(now)
            self._news.tell((), now)
        self._settle(now)

    def receive(self, conn_id: int, tag: int, payload: bytes, now: float) -> None:
        """Handle a message of tag 4, 5 or 6; a bad one ends the connection, and is not passed on."""
        connection = self._ourself.connection(conn_id)
        if connection is None:
            return
        self._source = connection
        try:
            self._channels.receive(tag, payload, now)
        except RemoteProtocolError as problem:
            _log.warning("Bad message from %s: %s", format_peer_name(connection.remote), problem)
            self._shut(connection, problem.message, now)
            self._collect(now)
        self._settle(now)

    def connection_ended(self, conn_id: int, reason: str, now: float) -> None:
        """The connection is gone, or must go; unknown ones (already closed by us) are ignored."""
        connection = self._ourself.connection(conn_id)
        if connection is not None:
            self._remove(connection, reason, now)
            self._collect(now)
        self._settle(now)

    def _shut(self, connection: LocalConnection, reason: str, now: float) -> None:
        self._events.append(CloseConnection(connection.conn_id, reason))
        self._remove(connection, reason, now)

    def _remove(self, connection: LocalConnection, reason: str, now: float) -> None:
        self._ourself.remove(connection)
        if connection.outbound:
            self._maker.ended(connection.address, reason, now)
        self._topology_changed(now)
        self._news.tell((), now)

    def send_pending(self, conn_id: int, now: float) -> list[tuple[int, bytes]]:
        """All (tag, payload) that wait for this connection, encoded as of now."""
        connection = self._ourself.connection(conn_id)
        return [] if connection is None else connection.outbox.take(now)

    # Targets

    def connect(self, targets: Sequence[DirectTarget], *, replace: bool, now: float) -> None:
        """Want connections to these peers, beside or, with `replace`, instead of those wanted so far."""
        self._maker.connect(targets, replace=replace, now=now)
        self._settle(now)

    def forget(self, texts: Iterable[str], now: float) -> None:
        """Want these direct targets no more, named as they were given to `connect`; others are ignored."""
        self._maker.forget(texts, now)
        self._settle(now)

    def dial_failed(self, address: str, reason: str, now: float) -> None:
        """An attempt that Dial asked for ended before `add_connection`."""
        self._maker.dial_failed(address, reason, now)
        self._settle(now)

    # Time and events

    def next_event(self) -> MeshEvent | None:
        """What the runtime has to do next; None when there is nothing."""
        return self._events.popleft() if self._events else None

    def next_wake(self) -> float:
        """When `on_wake` wants to be called at the latest; there always is a next periodic gossip."""
        moments = (
            self._next_gossip,
            self._news.pacer.due,
            self._collections.due,
            self._route_reports.due,
            self._maker.next_wake(),
        )
        return min(moment for moment in moments if moment is not None)

    def on_wake(self, now: float) -> None:
        """Do what is due."""
        if now >= self._next_gossip:
            self._next_gossip = now + GOSSIP_INTERVAL_S
            self._collect_before_telling(now)
            self._channels.gossip_complete_states(now)
        self._settle(now)

    def set_back(self, by_s: float) -> None:
        """The clock was set back by so many seconds: nothing that waits shall wait longer for it."""
        self._next_gossip -= by_s
        for part in (self._news.pacer, self._collections, self._route_reports, self._maker):
            part.set_back(by_s)

    def _settle(self, now: float) -> None:
        """Do the paced work whose time has come; ends every call that may have asked for some."""
        if self._collections.take(now):
            self._collect(now)
        if self._news.pacer.take(now):
            self._collect_before_telling(now)
            self._news.send()
        self._events.extend(Dial(address) for address in self._maker.evaluate(now))
        if self._route_reports.take(now):
            self._events.append(RoutesChanged())

    # Topology

    def _on_applied(self, applied: Applied, to_pass_on: frozenset[PeerName], now: float) -> None:
        if applied.stale_self is not None:
            self._ourself.jump_over(applied.stale_self)
            self._news.tell((), now)
        if to_pass_on:
            self._news.pass_on(to_pass_on, self._source, now)
        if applied.improved:
            self._topology_changed(now)
        self._collections.ask(now)

    def _topology_changed(self, now: float) -> None:
        self._routes.invalidate()
        self._route_reports.ask(now)
        self._maker.refresh(now)
        if self._ourself.settle_short_id():
            self._news.tell((), now)

    def _collect_before_telling(self, now: float) -> None:
        """Of whom nobody leads to, nobody is told: in a ring of peers such news could go round for ever."""
        if self._collections.take_early(now):
            self._collect(now)

    def _collect(self, now: float) -> None:
        lost = self._peers.collect()
        if not lost:
            return
        self._topology_changed(now)
        self._events.append(
            PeersForgotten(frozenset(peer.name for peer in lost), {peer.name: peer.nickname for peer in lost})
        )

    # Views

    @property
    def ourselves(self) -> Peer:
        """How we describe ourselves just now."""
        return self._ourself.peer

    def peers(self) -> tuple[Peer, ...]:
        """Every known peer with its connections, ourselves first, then by name."""
        us = self._ourself.name
        return tuple(sorted(self._peers, key=lambda peer: (peer.name != us, peer.name)))

    def connections(self) -> tuple[ConnectionView, ...]:
        """Our connections, oldest first."""
        return tuple(
            ConnectionView(
                conn_id=connection.conn_id,
                address=connection.address,
                outbound=connection.outbound,
                remote=connection.remote,
                nickname=self.nickname_of(connection.remote),
                state="established" if connection.established else "pending",
            )
            for connection in self._ourself.connections
        )

    def targets(self) -> tuple[TargetView, ...]:
        """The addresses that wait for an attempt or are being tried."""
        return self._maker.targets()

    def direct_targets(self) -> tuple[str, ...]:
        """The texts that the user gave, in their order."""
        return self._maker.direct_targets()

    @property
    def frame_routes(self) -> Mapping[PeerName, PeerName]:
        """Next hops of frames, by destination; 00:00:00:00:00:00 for ourselves."""
        return self._routes.unicast

    def frame_broadcast(self, source: PeerName) -> tuple[PeerName, ...]:
        """The neighbours to whom a frame that `source` broadcast goes on from us."""
        return self._routes.broadcast(source)

    def unicast_routes(self) -> tuple[UnicastRoute, ...]:
        """The next hop of frames for every peer that they can reach, ourselves included."""
        routes = sorted(self._routes.unicast.items())
        return tuple(UnicastRoute(destination=destination, via=via) for destination, via in routes)

    def broadcast_routes(self) -> tuple[BroadcastRoute, ...]:
        """Where broadcast frames go on from us, for every source."""
        return tuple(
            BroadcastRoute(source=name, via=self._routes.broadcast(name))
            for name in sorted(self._peers.names)
        )
