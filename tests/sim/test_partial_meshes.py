"""Hosts of which not all reach all, in any shape, while links, hosts and routers come and go."""

from __future__ import annotations

import random

import pytest

from tests.fakes.gossip import words
from tests.fakes.network import FakeNetwork, Station

pytestmark = pytest.mark.sim

_COUNT = 9
_STEPS = 40


class Cables(FakeNetwork):
    """Stations that reach each other where a cable is."""

    def __init__(self, seed: int, *, discovery: bool) -> None:
        super().__init__(seed, discovery=discovery)
        # Apart from the network's own chance, which the stations use up.
        self.dice = random.Random(seed)
        pairs = [(low, high) for high in range(2, _COUNT + 1) for low in range(1, high)]
        tree = {(self.dice.randrange(1, high), high) for high in range(2, _COUNT + 1)}
        self.cables = tree | set(self.dice.sample(pairs, 4))
        self.pulled: set[tuple[int, int]] = set()
        self.add(_COUNT)
        for low, high in sorted(self.cables):
            self.connect(high, low)

    def _can_reach(self, first: Station, second: Station) -> bool:
        pair = (min(first.number, second.number), max(first.number, second.number))
        return pair in self.cables - self.pulled and super()._can_reach(first, second)

    def pull(self, pair: tuple[int, int]) -> None:
        """Both ends notice within a second."""
        self.pulled.add(pair)
        for end in self._open_ends():
            if {end.station.number, end.other.station.number} == set(pair):
                self._later(self.rng.uniform(0, 1), self._lose(end, "read timed out"))

    def reboot(self, number: int) -> None:
        """The router starts anew; the operator's list of peers is what it was."""
        self.restart(number)
        for low, high in sorted(self.cables):
            if number in (low, high):
                self.connect(high, low)

    def disturb(self) -> None:
        """One thing that happens to networks, or a word."""
        match self.dice.randrange(6):
            case 0:
                self.pull(self.dice.choice(sorted(self.cables)))
            case 1 if self.pulled:
                self.pulled.discard(self.dice.choice(sorted(self.pulled)))
            case 2:
                self.reboot(self.dice.randint(1, _COUNT))
            case 3:
                self.cut(*self.dice.choice(sorted(self.cables)))
            case _:
                station = self.stations[self.dice.randint(1, _COUNT)]
                text = f"word {self.dice.randrange(1000)}"
                station.words.known.add(text)
                station.channel.broadcast(words(text))
                self.drain(station)

    def is_whole(self) -> bool:
        """Every cable carries a connection, and all say the same of all."""
        neighbours = {
            number: {sum(pair) - number for pair in self.cables if number in pair} for number in self.stations
        }
        return all(
            station.neighbours == neighbours[number] for number, station in self.stations.items()
        ) and (self.agrees_on_topology() and len(self.stations[1].node.peers()) == _COUNT)


@pytest.mark.parametrize("discovery", [True, False], ids=["discovery", "without"])
@pytest.mark.parametrize("seed", range(8))
def test_after_any_trouble_all_know_all_again_and_are_told_once(seed: int, discovery: bool) -> None:
    network = Cables(seed, discovery=discovery)
    assert network.run_until(network.is_whole, 120)
    for _ in range(_STEPS):
        network.disturb()
        network.run_for(network.dice.choice([0.05, 0.5, 3, 20]))
    network.pulled.clear()
    assert network.run_until(network.is_whole, 600, every_s=1)
    network.run_for(65)
    known = [station.words.known for station in network.stations.values()]
    assert all(one == known[0] for one in known)
    for number, station in network.stations.items():
        station.words.broadcasts.clear()
        station.channel.broadcast(words(f"last of {number}"))
        network.drain(station)
    network.run_for(2)
    for number, station in network.stations.items():
        heard = sorted(text for _, texts in station.words.broadcasts for text in texts)
        assert heard == [f"last of {other}" for other in range(1, _COUNT + 1) if other != number]
    # Unicasts find their way between any two.
    for number, station in network.stations.items():
        for other in network.stations.values():
            if other is not station:
                assert station.channel.unicast(other.name, b"from %d" % number)
        network.drain(station)
    network.run_for(2)
    for station in network.stations.values():
        station_heard = sorted(data for _, data in station.words.unicasts)
        assert station_heard[-(_COUNT - 1) :] == [
            b"from %d" % other for other in range(1, _COUNT + 1) if other != station.number
        ]


@pytest.mark.parametrize(("seed", "count", "delay_s"), [(4, 12, 0.2), (0, 10, 0.3), (1, 10, 0.3)])
def test_news_of_a_dead_peer_do_not_go_round_a_ring_for_ever(seed: int, count: int, delay_s: float) -> None:
    """Whoever has forgotten a peer takes the news of it for new; a ring may be slower than forgetting."""
    network = FakeNetwork(seed, delay_s=delay_s, discovery=False)
    network.spread = 2
    network.add(count)
    for number in range(2, count + 1):
        network.connect(number, number - 1)
    network.connect(1, count)
    network.run_for(60)
    first = network.rng.randrange(1, count + 1)
    dead = network.add(1)[0]
    network.connect(dead.number, first, first % count + 1)
    network.run_for(60)
    network.stop(dead.number)
    network.run_for(70)
    living = [station for station in network.stations.values() if station.is_up]
    assert not [station.number for station in living if station.node.is_known(dead.name)]
