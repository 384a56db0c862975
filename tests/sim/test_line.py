"""Four hosts in a line, each of which reaches its neighbours only: gossip, names and addresses go end to end.

1 --- 2 --- 3 --- 4
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.fakes.allocators import FakeJournal
from tests.fakes.gossip import words
from tests.fakes.network import FakeNetwork, Station, peer_name
from weave_cli.addresses import parse_cidr
from weave_cli.names import PeerName
from weave_cli.router.ipam.allocator import Allocator, Saved, Setup
from weave_cli.router.ipam.requests import Answered, Refused
from weave_cli.router.ipam.shapes import CHANNEL as ADDRESS_CHANNEL
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.nameserver.registry import CHANNEL as NAME_CHANNEL
from weave_cli.router.nameserver.registry import NameRegistry

pytestmark = pytest.mark.sim

_RANGE = parse_cidr("10.32.0.0/26")


class Line(FakeNetwork):
    """Stations 1 to 4, each with an allocator and a registry, each told of the one before it."""

    def __init__(self, seed: int, *, discovery: bool, length: int = 4) -> None:
        super().__init__(seed, discovery=discovery)
        self.registries: dict[int, NameRegistry] = {}
        self.allocators: dict[int, Allocator] = {}
        self.answers: dict[int, dict[int, str]] = {}
        self.length = length
        self._nodes: dict[int, MeshNode] = {}
        self._is_draining = False
        self.add(length)
        for number in range(2, length + 1):
            self.connect(number, number - 1)

    def _can_reach(self, first: Station, second: Station) -> bool:
        return abs(first.number - second.number) <= 1 and super()._can_reach(first, second)

    def drain(self, station: Station) -> None:
        if self._nodes.get(station.number) is not station.node:
            self._nodes[station.number] = station.node
            self._open_channels(station)
        super().drain(station)
        if station.forgotten:
            self.registries[station.number].peers_forgotten(station.forgotten, self.now)
            self.allocators[station.number].peers_forgotten(station.forgotten)
            station.forgotten.clear()
        while outcome := self.allocators[station.number].next_event():
            match outcome:
                case Answered(request=request, cidr=cidr):
                    self.answers[station.number][request] = str(cidr)
                case Refused(request=request, reason=reason):
                    self.answers[station.number][request] = reason

    def live(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass for everything on the hosts, until something holds."""
        for _ in range(int(seconds * 10)):
            if until():
                return True
            self.run_for(0.1)
            for number, station in self.stations.items():
                for part in (self.registries[number], self.allocators[number]):
                    wake = part.next_wake()
                    if station.is_up and wake is not None and wake <= self.now:
                        part.on_wake(self.now)
                        self.drain(station)
        return until()

    def allocate(self, number: int, request: int, owner: str) -> None:
        self.allocators[number].allocate(request, owner, _RANGE, is_container=True, now=self.now)
        self.drain(self.stations[number])

    def knows_all(self) -> bool:
        everybody = {peer_name(number) for number in self.stations}
        return all({peer.name for peer in s.node.peers()} == everybody for s in self.stations.values())

    def _open_channels(self, station: Station) -> None:
        number = station.number
        registry = NameRegistry(name=station.name, domain="weave.local.", directory=station.node)
        registry.attach(station.node.open_channel(NAME_CHANNEL, registry))
        allocator = Allocator(
            name=station.name,
            uid=station.uid,
            nickname=f"host{number}",
            whole=_RANGE.network,
            default_subnet=_RANGE,
            setup=Setup(peer_count=self.length),
            journal=FakeJournal(),
            saved=Saved(),
            directory=station.node,
            rng=random.Random(number),
        )
        allocator.attach(station.node.open_channel(ADDRESS_CHANNEL, allocator))
        self.registries[number], self.allocators[number] = registry, allocator
        self.answers[number] = {}


@pytest.fixture(params=[(1, True), (2, False), (3, False)], ids=["discovery", "without", "without again"])
def line(request: pytest.FixtureRequest) -> Line:
    seed, discovery = request.param
    made = Line(seed, discovery=discovery)
    assert made.live(35, made.knows_all)
    made.live(5)
    return made


def test_routes_lead_along_the_line(line: Line) -> None:
    assert [sorted(station.neighbours) for station in line.stations.values()] == [[2], [1, 3], [2, 4], [3]]
    ends = line.stations[1].node
    assert {route.destination: route.via for route in ends.unicast_routes()} == {
        peer_name(1): PeerName(0),
        **{peer_name(number): peer_name(2) for number in (2, 3, 4)},
    }
    second = {route.source: route.via for route in line.stations[2].node.broadcast_routes()}
    assert second == {
        peer_name(1): (peer_name(3),),
        peer_name(2): (peer_name(1), peer_name(3)),
        peer_name(3): (peer_name(1),),
        peer_name(4): (peer_name(1),),
    }


def test_gossip_of_all_three_kinds_arrives_once(line: Line) -> None:
    first, last = line.stations[1], line.stations[4]
    assert first.channel.unicast(last.name, b"hello")
    first.channel.broadcast(words("cast"))
    last.channel.gossip(words("news"))
    for station in line.stations.values():
        line.drain(station)
    line.live(1)
    assert last.words.unicasts == [(first.name, b"hello")]
    for number in (2, 3, 4):
        assert line.stations[number].words.broadcasts == [(first.name, frozenset({"cast"}))]
    assert "news" in first.words.known


def test_names_come_go_and_leave_with_their_host(line: Line) -> None:
    line.registries[4].add("web.weave.local.", "c4", 4, line.now)
    line.drain(line.stations[4])
    assert line.live(2, lambda: line.registries[1].lookup("web.weave.local.") == [4])
    line.registries[4].remove(container="c4", now=line.now)
    line.registries[3].add("db.weave.local.", "c3", 3, line.now)
    for number in (3, 4):
        line.drain(line.stations[number])
    assert line.live(2, lambda: line.registries[1].lookup("web.weave.local.") == [])
    assert line.registries[1].lookup("db.weave.local.") == [3]
    line.stop(3)
    assert line.live(5, lambda: line.registries[1].lookup("db.weave.local.") == [])
    line.restart(3)
    line.connect(3, 2)
    assert line.live(120, line.knows_all)
    line.registries[4].add("late.weave.local.", "c5", 5, line.now)
    line.drain(line.stations[4])
    assert line.live(35, lambda: line.registries[1].lookup("late.weave.local.") == [5])


def test_names_come_back_at_once_with_the_host_whose_cable_was_pulled(line: Line) -> None:
    line.registries[4].add("web.weave.local.", "c4", 4, line.now)
    line.drain(line.stations[4])
    assert line.live(2, lambda: line.registries[1].lookup("web.weave.local.") == [4])
    line.live(70)
    line.cut(3, 4)
    assert line.live(5, lambda: line.registries[1].lookup("web.weave.local.") == [])
    assert line.live(30, line.knows_all)
    assert line.live(3, lambda: line.registries[1].lookup("web.weave.local.") == [4])


def test_every_address_of_the_range_is_given_once_whoever_asks_for_them(line: Line) -> None:
    for count in range(62):
        line.allocate(1 + count % 2 * 3, count, f"c{count}")
    assert line.live(600, lambda: len(line.answers[1]) + len(line.answers[4]) == 62)
    given = [*line.answers[1].values(), *line.answers[4].values()]
    assert len(set(given)) == 62 and all(one.startswith("10.32.0.") for one in given)
    # What one end has, the other cannot claim.
    taken = parse_cidr(line.answers[4][1])
    line.allocators[1].claim(100, "thief", taken, no_error_on_unknown=False, is_container=True, now=line.now)
    line.drain(line.stations[1])
    assert line.live(5, lambda: 100 in line.answers[1])
    assert "is owned by other peer" in line.answers[1][100]
