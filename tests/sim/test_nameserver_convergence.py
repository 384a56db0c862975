"""Ten registries on ten mesh nodes: everybody learns every name, whoever was away, came back or was new."""

from __future__ import annotations

import random

import pytest

from tests.fakes.network import FakeNetwork, Station, peer_name
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.nameserver.registry import CHANNEL, NameRegistry

pytestmark = pytest.mark.sim

_COUNT = 10


class NamedNetwork(FakeNetwork):
    """The pretended network with a registry on every station; a new node gets an empty one."""

    def __init__(self, seed: int, *, discovery: bool = True) -> None:
        super().__init__(seed, discovery=discovery)
        self.registries: dict[int, NameRegistry] = {}
        self._nodes: dict[int, MeshNode] = {}

    def drain(self, station: Station) -> None:
        if self._nodes.get(station.number) is not station.node:
            self._nodes[station.number] = station.node
            registry = NameRegistry(name=station.name, domain="weave.local.", directory=station.node)
            registry.attach(station.node.open_channel(CHANNEL, registry))
            self.registries[station.number] = registry
        super().drain(station)
        if station.forgotten:
            self.registries[station.number].peers_forgotten(station.forgotten, self.now)
            station.forgotten.clear()

    def announce(self, number: int, name: str) -> None:
        address = 0x0A200000 + number
        self.registries[number].add(f"{name}.weave.local.", f"{name}-{number}", address, self.now)
        self.drain(self.stations[number])

    def withdraw(self, number: int, name: str) -> None:
        self.registries[number].remove(container=f"{name}-{number}", now=self.now)
        self.drain(self.stations[number])

    def live(self, seconds: float) -> None:
        """Let time pass, for the registries too."""
        for _ in range(int(seconds)):
            self.run_for(1)
            for station in self.running():
                wake = self.registries[station.number].next_wake()
                if wake is not None and wake <= self.now:
                    self.registries[station.number].on_wake(self.now)
                    self.drain(station)

    def running(self) -> list[Station]:
        return [station for station in self.stations.values() if station.is_up]

    def who_has(self, name: str, asked: int) -> set[int]:
        """The stations that a name leads to, in the eyes of one of them."""
        return {address - 0x0A200000 for address in self.registries[asked].lookup(f"{name}.weave.local.")}

    def agrees(self) -> bool:
        """True when all running registries hold the same entries in the same state."""
        tables = [self.registries[station.number].entries() for station in self.running()]
        return all(table == tables[0] for table in tables)


def mesh(seed: int, *, discovery: bool = True) -> NamedNetwork:
    """Ten stations: with discovery a full mesh, else a ring."""
    network = NamedNetwork(seed, discovery=discovery)
    network.add(_COUNT)
    for number in range(2, _COUNT + 1):
        network.connect(number, number - 1)
    if not discovery:
        network.connect(1, _COUNT)
    network.live(15)
    return network


@pytest.mark.parametrize(("seed", "discovery"), [(1, True), (2, False), (3, False)])
def test_a_new_name_is_everywhere_within_a_second_and_gone_as_fast(seed: int, discovery: bool) -> None:
    network = mesh(seed, discovery=discovery)
    for number in (1, 5):
        network.announce(number, "web")
    network.live(1)
    assert all(network.who_has("web", number) == {1, 5} for number in network.stations)
    network.withdraw(5, "web")
    network.live(1)
    assert all(network.who_has("web", number) == {1} for number in network.stations)


def test_a_name_given_before_the_mesh_knows_the_peer_comes_through_soon() -> None:
    network = mesh(4, discovery=False)
    network.add(1)
    newcomer = _COUNT + 1
    network.connect(newcomer, 1)
    # Name after name while the others hear of the newcomer, which takes a fraction of a second.
    for step in range(20):
        network.run_for(0.02)
        network.announce(newcomer, f"early{step}")
    network.live(6)
    for step in range(20):
        assert all(network.who_has(f"early{step}", number) == {newcomer} for number in network.stations)


@pytest.mark.parametrize("seed", range(5, 9))
def test_halves_forget_each_other_change_and_agree_after_healing(seed: int) -> None:
    network = mesh(seed)
    for number in network.stations:
        network.announce(number, "web")
    network.live(2)
    network.partition((1, 2, 3, 4, 5), (6, 7, 8, 9, 10))
    network.live(60)
    assert network.who_has("web", 1) == {1, 2, 3, 4, 5}
    assert network.who_has("web", 10) == {6, 7, 8, 9, 10}
    network.withdraw(2, "web")
    network.announce(7, "db")
    network.heal()
    network.live(700)
    assert network.agrees()
    assert all(network.who_has("web", asked) == set(network.stations) - {2} for asked in network.stations)
    assert all(network.who_has("db", asked) == {7} for asked in network.stations)


@pytest.mark.parametrize("seed", [1, 4, 7])
def test_where_links_broke_and_came_back_no_name_waits_for_the_next_gossip(seed: int) -> None:
    """A peer may seem to have left, where the news of its lost link are faster than those of the other."""
    network = NamedNetwork(seed, discovery=False)
    network.delay_s, network.spread = 0.01, 5
    count = 5
    links = [(number, number % count + 1) for number in range(1, count + 1)]
    network.add(count)
    for one, other in links:
        network.connect(one, other)
    network.live(20)
    for number in network.stations:
        network.announce(number, f"name{number}")
    rng = random.Random(seed)
    for _ in range(20):
        for _ in range(rng.randint(1, 3)):
            network.cut(*rng.choice([*links, *((other, one) for one, other in links)]))
            network.run_for(rng.choice([0, 0.05, 0.3, 1]))
        while not all(other in network.stations[one].neighbours for one, other in links):
            network.live(1)
        network.live(4)
        for asked in network.stations:
            assert all(network.who_has(f"name{number}", asked) == {number} for number in network.stations)


def test_what_was_removed_while_apart_for_longer_than_tombstones_live_stays_removed() -> None:
    network = mesh(21)
    for number in network.stations:
        network.announce(number, "web")
    network.live(2)
    network.partition((1, 2, 3, 4, 5), (6, 7, 8, 9, 10))
    network.live(10)
    network.withdraw(2, "web")
    network.withdraw(9, "web")
    network.live(3700)
    assert not any(not entry.is_alive for entry in network.registries[1].entries())
    network.heal()
    network.live(200)
    assert network.agrees()
    for asked in network.stations:
        assert network.who_has("web", asked) == set(network.stations) - {2, 9}


@pytest.mark.parametrize("seed", range(9, 13))
def test_a_restarted_router_loses_its_old_names_and_can_have_new_ones_at_once(seed: int) -> None:
    network = mesh(seed)
    network.announce(3, "kept")
    network.announce(3, "lost")
    network.live(2)
    network.restart(3)
    network.announce(3, "kept")
    network.connect(3, 1)
    network.live(60)
    assert network.agrees()
    assert all(network.who_has("kept", asked) == {3} for asked in network.stations)
    assert all(network.who_has("lost", asked) == set() for asked in network.stations)


@pytest.mark.parametrize("seed", range(13, 16))
def test_random_changes_restarts_and_partitions_end_in_one_view(seed: int) -> None:
    network = mesh(seed)
    rng = random.Random(seed)
    wanted: dict[int, set[str]] = {number: set() for number in network.stations}
    for _ in range(60):
        number, name = rng.randint(1, _COUNT), rng.choice(["web", "db", "cache"])
        match rng.randrange(12):
            case 0:
                network.restart(number)
                network.connect(number, *(other for other in network.stations if other != number))
                wanted[number] = set()
            case 1:
                numbers = list(network.stations)
                rng.shuffle(numbers)
                network.partition(numbers[:4], numbers[4:])
            case 2:
                network.heal()
            case 3 | 4 | 5:
                network.withdraw(number, name)
                wanted[number].discard(name)
            case _:
                network.announce(number, name)
                wanted[number].add(name)
        network.live(rng.choice([1, 1, 5]))
    network.heal()
    network.live(900)
    assert network.is_full_mesh() and network.agrees()
    for name in ("web", "db", "cache"):
        having = {number for number, names in wanted.items() if name in names}
        assert network.who_has(name, 1) == having


def test_tombstones_are_gone_from_the_whole_mesh_after_an_hour() -> None:
    network = mesh(20, discovery=False)
    network.announce(1, "web")
    network.withdraw(1, "web")
    network.live(5)
    assert all(len(registry.entries()) == 1 for registry in network.registries.values())
    network.live(3700)
    assert all(registry.entries() == [] for registry in network.registries.values())
    assert peer_name(1) in {peer.name for peer in network.stations[10].node.peers()}
