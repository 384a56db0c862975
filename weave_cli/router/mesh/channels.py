"""Who gets a message, and who it is passed on to. Knows the rules of relaying, not the content.

Follows the specification mesh, sections 11.3 (receiving), 11.4 (sending) and 11.5 (channels that we do not
know, for which we are a surrogate: what Go peers tell each other through us must get through).
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable, Container

from weave_cli.errors import LocalProtocolError
from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.mesh.gossip import Channel, GossipData, Gossiper
from weave_cli.router.mesh.ourself import LocalConnection, Ourself
from weave_cli.router.mesh.routes import Routes
from weave_cli.router.wire.messages import (
    Gossip,
    Tag,
    Unicast,
    decode_gossip,
    decode_unicast,
    encode_gossip,
    encode_unicast,
)

_log = logging.getLogger(__name__)

#: Every router gossips its complete state this often, in seconds (specification mesh, section 16).
GOSSIP_INTERVAL_S = 30.0


class Channels:
    """All channels of a node: the ones that were opened, and the surrogate for all others."""

    def __init__(self, ourself: Ourself, routes: Routes, rng: random.Random) -> None:
        self._ourself = ourself
        self._routes = routes
        self._rng = rng
        self._gossipers: dict[str, Gossiper] = {}
        self._seen = _RecentlySeen(GOSSIP_INTERVAL_S)

    def open(self, name: str, gossiper: Gossiper) -> Channel:
        """Let `gossiper` have the messages of the channel from now on."""
        self._gossipers[name] = gossiper
        return _OpenChannel(self, name, self._ourself.name)

    def receive(self, tag: int, payload: bytes, now: float) -> None:
        """Handle a message of tag 4, 5 or 6; RemoteProtocolError must end the connection that it came by."""
        if tag == Tag.UNICAST:
            self._receive_unicast(payload, now)
        elif tag == Tag.BROADCAST:
            self._receive_broadcast(payload, now)
        elif tag == Tag.GOSSIP:
            self._receive_gossip(payload, now)

    def unicast(self, channel: str, destination: PeerName, data: bytes) -> bool:
        """Queue octets for one peer; False when no route leads there, or when we are that peer."""
        if not data:
            # It would end every Go router whose allocator gets it (specification mesh, section 18).
            raise LocalProtocolError(f"empty unicast on channel {channel}")
        message = Unicast(channel=channel, source=self._ourself.name, destination=destination, data=data)
        return self._forward(destination, encode_unicast(message))

    def broadcast(self, channel: str, source: PeerName, data: GossipData) -> None:
        """Queue data of `source` for those neighbours that get its broadcasts from us."""
        for name in self._routes.broadcast_all(source):
            if connection := self._ourself.connection_to(name):
                connection.outbox.add_broadcast(channel, source, data)

    def gossip(self, channel: str, data: GossipData, *, excluding: PeerName | None = None) -> None:
        """Queue data for some neighbours, but not for the one that it came from."""
        for connection in self._some_neighbours(excluding):
            connection.outbox.add_gossip(channel, data)

    def gossip_to_each(self, channel: str, choose: Callable[[PeerName], GossipData | None]) -> None:
        """Queue for every neighbour what is chosen for it, if anything."""
        for connection in self._ourself.connections:
            data = choose(connection.remote)
            if data is not None:
                connection.outbox.add_gossip(channel, data)

    def send_complete_states(
        self, connection: LocalConnection, now: float, *, without: Container[str] = ()
    ) -> None:
        """Tell one neighbour all that every channel knows (specification mesh, section 9, step 2)."""
        for name, gossiper in self._gossipers.items():
            if name in without:
                continue
            state = gossiper.complete_state(now)
            if state is not None:
                connection.outbox.add_gossip(name, state)

    def gossip_complete_states(self, now: float) -> None:
        """The periodic gossip: everything, to some neighbours."""
        for name, gossiper in self._gossipers.items():
            state = gossiper.complete_state(now)
            if state is not None:
                self.gossip(name, state)

    def _receive_unicast(self, payload: bytes, now: float) -> None:
        message = decode_unicast(payload)
        if message.destination != self._ourself.name and not message.data:
            _log.info("Dropped an empty unicast from %s", format_peer_name(message.source))
        elif message.destination != self._ourself.name:
            if not self._forward(message.destination, payload):
                _log.info(
                    "No route for a unicast from %s to %s",
                    format_peer_name(message.source),
                    format_peer_name(message.destination),
                )
        elif gossiper := self._gossipers.get(message.channel):
            gossiper.on_unicast(message.source, message.data, now)

    def _receive_broadcast(self, payload: bytes, now: float) -> None:
        message = decode_gossip(payload)
        if message.source == self._ourself.name:
            # Nobody whose routes are right sends us our own; passing it on would start it anew.
            _log.debug("Dropped a broadcast of our own on channel %s", message.channel)
        elif gossiper := self._gossipers.get(message.channel):
            data = gossiper.on_broadcast(message.source, message.data, now)
            if data is not None:
                self.broadcast(message.channel, message.source, data)
        else:
            for name in self._routes.broadcast_all(message.source):
                if connection := self._ourself.connection_to(name):
                    connection.outbox.add_raw(Tag.BROADCAST, payload)

    def _receive_gossip(self, payload: bytes, now: float) -> None:
        message = decode_gossip(payload)
        if gossiper := self._gossipers.get(message.channel):
            data = gossiper.on_gossip(message.data, now)
            if data is not None:
                self.gossip(message.channel, data, excluding=message.source)
        elif self._seen.is_new(message.channel, message.data, now):
            ours = encode_gossip(
                Gossip(channel=message.channel, source=self._ourself.name, data=message.data)
            )
            for connection in self._some_neighbours(message.source):
                connection.outbox.add_raw(Tag.GOSSIP, ours)

    def _forward(self, destination: PeerName, payload: bytes) -> bool:
        hop = self._routes.unicast_all.get(destination)
        connection = None if hop is None else self._ourself.connection_to(hop)
        if connection is None:
            return False
        connection.outbox.add_raw(Tag.UNICAST, payload)
        return True

    def _some_neighbours(self, excluding: PeerName | None) -> list[LocalConnection]:
        excluded = self._ourself.name if excluding is None else excluding
        names = self._routes.random_neighbours(self._rng, excluding=excluded)
        return [found for name in names if (found := self._ourself.connection_to(name)) is not None]


class _OpenChannel:
    """What the code of one channel speaks with; fulfils the role Channel."""

    def __init__(self, channels: Channels, name: str, us: PeerName) -> None:
        self._channels = channels
        self._name = name
        self._us = us

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        return self._channels.unicast(self._name, destination, data)

    def broadcast(self, data: GossipData) -> None:
        self._channels.broadcast(self._name, self._us, data)

    def gossip(self, data: GossipData) -> None:
        self._channels.gossip(self._name, data)


class _RecentlySeen:
    """Gossip that a surrogate has passed on lately, so that the same data does not circle for ever."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        #: Digest to the time it was seen first; oldest first, as a dict keeps the order of insertion.
        self._times: dict[bytes, float] = {}

    def is_new(self, channel: str, data: bytes, now: float) -> bool:
        for digest, seen in list(self._times.items()):
            if seen > now - self._keep_s:
                break
            del self._times[digest]
        digest = hashlib.sha256(channel.encode("utf-8", "surrogateescape") + b"\0" + data).digest()
        if digest in self._times:
            return False
        self._times[digest] = now
        return True
