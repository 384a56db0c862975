"""Many mesh nodes in one process, joined by a pretended network with its own clock.

Stations have an address, dial each other, and lose connections. Nothing happens at random that does not
come from the seed. Messages of one connection keep their order, as TCP has it.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.fakes.gossip import FakeWordChannel
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.mesh.events import CloseConnection, DataPending, Dial, PeersForgotten
from weave_cli.router.mesh.gossip import Channel
from weave_cli.router.mesh.news import news_features
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.mesh.targets import DirectTarget
from weave_cli.router.wire.intro import Features

PORT = 6783
START = 1_000_000.0


def peer_name(number: int) -> PeerName:
    return PeerName(0x7A0000000000 + number)


def features_of(
    name: PeerName,
    uid: int,
    *,
    nickname: str = "",
    short_id: int | None = None,
    extra: Mapping[str, str] | None = None,
) -> Features:
    """Features as a remote would send them, with what the mesh looks at."""
    return Features(
        name=name,
        nickname=nickname,
        uid=uid,
        conn_id=1,
        short_id=short_id,
        trusted=False,
        overlays=("vxlan",),
        extra=news_features() if extra is None else extra,
    )


@dataclass(eq=False)
class End:
    """One end of a connection, at one incarnation of a station."""

    conn_id: int
    station: Station
    node: MeshNode
    address: str
    outbound: bool
    secret: int
    delay_s: float
    is_open: bool = True
    is_added: bool = False
    free_at: float = 0.0
    other: End = field(init=False)


@dataclass(eq=False)
class Station:
    """A host: what stays when its router restarts."""

    number: int
    ip: str
    node: MeshNode
    uid: int
    words: FakeWordChannel
    channel: Channel
    channel_name: str
    is_up: bool = True
    wake_at: float = float("inf")
    ends: dict[int, End] = field(default_factory=dict)
    forgotten: list[PeerName] = field(default_factory=list)

    @property
    def name(self) -> PeerName:
        return peer_name(self.number)

    @property
    def neighbours(self) -> set[int]:
        """Numbers of the stations with an established connection to this one."""
        return {view.remote - peer_name(0) for view in self.node.connections() if view.state == "established"}


class FakeNetwork:
    """The stations, the wires between them, and the clock."""

    def __init__(
        self, seed: int, *, delay_s: float = 0.002, overlay_s: float = 0.05, discovery: bool = True
    ) -> None:
        self.rng = random.Random(seed)
        self.now = START
        self.delay_s = delay_s
        #: How many times slower than others a connection may be; messages of two overtake each other so.
        self.spread = 1.0
        self.overlay_s = overlay_s
        self.discovery = discovery
        self.connection_limit = 0
        self.short_ids = 4096
        #: Makes the node of a station; given its number, then what a MeshNode is made with.
        self.make_node: Callable[..., MeshNode] = lambda number, **facts: MeshNode(**facts)
        self.stations: dict[int, Station] = {}
        self.messages = 0
        self.octets = 0
        self._group: dict[int, int] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._ids = itertools.count(1)

    # What tests do

    def add(self, count: int, *, channel_name: str = "words") -> list[Station]:
        """Start stations with the next numbers, from 1; each opens one channel."""
        added = []
        for number in range(len(self.stations) + 1, len(self.stations) + count + 1):
            uid, node, words, channel = self._new_node(number, channel_name)
            ip = f"10.0.{number // 250}.{number % 250 + 1}"
            self.stations[number] = Station(number, ip, node, uid, words, channel, channel_name)
            added.append(self.stations[number])
            self.drain(added[-1])
        return added

    def connect(self, number: int, *others: int) -> None:
        """The operator of one station names others, without port."""
        station = self.stations[number]
        targets = [DirectTarget(f"host{other}", self.stations[other].ip) for other in others]
        station.node.connect(targets, replace=False, now=self.now)
        self.drain(station)

    def partition(self, *groups: Sequence[int]) -> None:
        """Stations of different groups lose each other: their connections end after up to a second."""
        self._group = {number: index for index, group in enumerate(groups) for number in group}
        for end in self._open_ends():
            if not self._can_reach(end.station, end.other.station):
                self._later(self.rng.uniform(0, 1), self._lose(end, "read timed out"))

    def heal(self) -> None:
        """Everybody can reach everybody again; routers notice when they dial."""
        self._group = {}

    def cut(self, first: int, second: int) -> None:
        """End the connection between two stations; the first sees it at once, the second a little later."""
        for end in self._open_ends():
            if (end.station.number, end.other.station.number) == (first, second):
                self._close(end, "cut", tell_node=True)

    def stop(self, number: int) -> None:
        """The router of a station dies; its connections end."""
        station = self.stations[number]
        station.is_up = False
        for end in list(station.ends.values()):
            self._close(end, "stopped", tell_node=False)

    def restart(self, number: int) -> None:
        """The same name comes back with a new uid and no memory."""
        if self.stations[number].is_up:
            self.stop(number)
        station = self.stations[number]
        station.uid, station.node, station.words, station.channel = self._new_node(
            number, station.channel_name
        )
        station.is_up = True
        station.wake_at = float("inf")
        self.drain(station)

    def run_for(self, seconds: float) -> None:
        self.run_until(lambda: False, seconds)

    def run_until(self, condition: Callable[[], bool], limit_s: float, every_s: float = 0.1) -> bool:
        """Let time pass until the condition holds, which is asked now and then; False when it never did."""
        limit = self.now + limit_s
        while not condition():
            if self.now >= limit:
                return False
            self._run_to(min(self.now + every_s, limit))
        return True

    def is_full_mesh(self) -> bool:
        """True when every running station has an established connection to every other."""
        up = {number for number, station in self.stations.items() if station.is_up}
        return all(self.stations[number].neighbours == up - {number} for number in up)

    def agrees_on_topology(self) -> bool:
        """True when all running stations hold the same description of every peer."""
        tables = [
            {(peer.name, peer.uid, peer.version, frozenset(peer.links)) for peer in station.node.peers()}
            for station in self.stations.values()
            if station.is_up
        ]
        return all(table == tables[0] for table in tables)

    def drain(self, station: Station) -> None:
        """Do what a node wants; after every call of one."""
        node = station.node
        while (event := node.next_event()) is not None:
            if isinstance(event, Dial):
                self._later(self.delay_s, self._arrive(station, node, event.address))
            elif isinstance(event, DataPending):
                self._later(0, self._pull(station, event.conn_id))
            elif isinstance(event, CloseConnection):
                if event.conn_id in station.ends:
                    self._close(station.ends[event.conn_id], event.reason, tell_node=False)
            elif isinstance(event, PeersForgotten):
                station.forgotten += sorted(event.names)
        wake = max(self.next_wake(station), self.now)
        if wake < station.wake_at:
            station.wake_at = wake
            self._later(wake - self.now, self._wake(station, node, wake))

    # What networks of more than nodes change

    def next_wake(self, station: Station) -> float:
        """When a station wants to be woken."""
        return station.node.next_wake()

    def on_wake(self, station: Station) -> None:
        """Wake it."""
        station.node.on_wake(self.now)

    def on_message(self, station: Station, tag: int, payload: bytes) -> None:
        """A station sends something."""

    # How it works

    def _new_node(self, number: int, channel_name: str) -> tuple[int, MeshNode, FakeWordChannel, Channel]:
        uid = self.rng.getrandbits(64)
        node = self.make_node(
            number,
            name=peer_name(number),
            nickname=f"host{number}",
            uid=uid,
            short_id=self.rng.randrange(self.short_ids),
            port=PORT,
            discovery=self.discovery,
            connection_limit=self.connection_limit,
            rng=random.Random(self.rng.random()),
            now=self.now,
        )
        words = FakeWordChannel()
        return uid, node, words, node.open_channel(channel_name, words)

    def _run_to(self, moment: float) -> None:
        while self._queue and self._queue[0][0] <= moment:
            self.now, _, action = heapq.heappop(self._queue)
            action()
        self.now = moment

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + delay_s, next(self._order), action))

    def _wake(self, station: Station, node: MeshNode, wake: float) -> Callable[[], None]:
        def action() -> None:
            if station.node is node and station.is_up and station.wake_at == wake:
                station.wake_at = float("inf")
                self.on_wake(station)
                self.drain(station)

        return action

    def _arrive(self, station: Station, node: MeshNode, address: str) -> Callable[[], None]:
        """A dial reaches the other host, or not."""

        def action() -> None:
            if station.node is not node or not station.is_up:
                return
            called = [s for s in self.stations.values() if f"{s.ip}:{PORT}" == address and s.is_up]
            if not called or not self._can_reach(station, called[0]):
                station.node.dial_failed(address, "connection refused", self.now)
                self.drain(station)
                return
            self._join(station, called[0], address)

        return action

    def _join(self, caller: Station, called: Station, address: str) -> None:
        ephemeral = f"{caller.ip}:{self.rng.randrange(20000, 60000)}"
        delay_s = self.delay_s * self.rng.uniform(1, self.spread)
        ends = [
            End(next(self._ids), one, one.node, there, one is caller, self.rng.getrandbits(64), delay_s)
            for one, there in ((caller, address), (called, ephemeral))
        ]
        ends[0].other, ends[1].other = ends[1], ends[0]
        for end in ends:
            end.station.ends[end.conn_id] = end
            # Both have sent their features; how long these travel is different for each side.
            end.free_at = self.now + self.rng.uniform(1, 2) * delay_s
            self._later(end.free_at - self.now, self._introduce(end))

    def _introduce(self, end: End) -> Callable[[], None]:
        def action() -> None:
            if not end.is_open:
                return
            other = end.other.station
            features = features_of(
                other.name,
                other.uid,
                nickname=f"host{other.number}",
                short_id=other.node.ourselves.short_id,
                extra=other.node.features(),
            )
            try:
                end.node.check_introduction(features, end.address, end.outbound)
            except RemoteProtocolError as problem:
                self._close(end, str(problem), tell_node=False)
                if end.outbound:
                    end.node.dial_failed(end.address, str(problem), self.now)
                self.drain(end.station)
                return
            end.is_added = True
            end.node.add_connection(
                end.conn_id,
                features,
                address=end.address,
                outbound=end.outbound,
                connection_uid=end.secret ^ end.other.secret,
                now=self.now,
            )
            self.drain(end.station)
            if end.other.is_added:
                for half in (end, end.other):
                    self._later(self.overlay_s * self.rng.uniform(1, 2), self._establish(half))

        return action

    def _establish(self, end: End) -> Callable[[], None]:
        def action() -> None:
            if end.is_open:
                end.node.connection_established(end.conn_id, self.now)
                self.drain(end.station)

        return action

    def _pull(self, station: Station, conn_id: int) -> Callable[[], None]:
        def action() -> None:
            end = station.ends.get(conn_id)
            if end is None:
                return
            for tag, payload in end.node.send_pending(conn_id, self.now):
                self.messages += 1
                self.octets += len(payload)
                self.on_message(station, tag, payload)
                other = end.other
                other.free_at = max(other.free_at, self.now + end.delay_s * self.rng.uniform(1, 2))
                self._later(other.free_at - self.now, self._deliver(other, tag, payload))

        return action

    def _deliver(self, end: End, tag: int, payload: bytes) -> Callable[[], None]:
        def action() -> None:
            if end.is_open and self._can_reach(end.station, end.other.station):
                end.node.receive(end.conn_id, tag, payload, self.now)
                self.drain(end.station)

        return action

    def _close(self, end: End, reason: str, *, tell_node: bool) -> None:
        if not end.is_open:
            return
        end.is_open = False
        del end.station.ends[end.conn_id]
        self._later(self.delay_s, self._lose(end.other, f"closed by the other end: {reason}"))
        if tell_node:
            self._tell_ended(end, reason)

    def _lose(self, end: End, reason: str) -> Callable[[], None]:
        return lambda: self._close(end, reason, tell_node=True)

    def _tell_ended(self, end: End, reason: str) -> None:
        if end.is_added:
            end.node.connection_ended(end.conn_id, reason, self.now)
        elif end.outbound:
            end.node.dial_failed(end.address, reason, self.now)
        self.drain(end.station)

    def _open_ends(self) -> list[End]:
        return [end for station in self.stations.values() for end in station.ends.values()]

    def _can_reach(self, first: Station, second: Station) -> bool:
        return self._group.get(first.number, 0) == self._group.get(second.number, 0)
