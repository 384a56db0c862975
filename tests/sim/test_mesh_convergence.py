"""Many nodes at once: they find each other, lose each other, and tell each other everything once."""

from __future__ import annotations

import pytest

from tests.fakes.gossip import words
from tests.fakes.network import FakeNetwork, peer_name

pytestmark = pytest.mark.sim


def star_of_strangers(network: FakeNetwork, count: int) -> None:
    """All stations start at once, and each is given only the first."""
    network.add(count)
    for number in range(2, count + 1):
        network.connect(number, 1)


def line(network: FakeNetwork, count: int) -> None:
    network.add(count)
    for number in range(2, count + 1):
        network.connect(number, number - 1)


@pytest.mark.parametrize("seed", range(3))
def test_thirty_nodes_given_only_the_first_form_a_full_mesh(seed: int) -> None:
    network = FakeNetwork(seed)
    star_of_strangers(network, 30)
    assert network.run_until(network.is_full_mesh, 5)
    assert network.run_until(network.agrees_on_topology, 30)
    # Not a flood: pairs have two connection ends, and each changes twice.
    assert network.messages < 30 * 29 * 20


@pytest.mark.parametrize("seed", range(12))
def test_line_without_discovery_relays_everything_exactly_once(seed: int) -> None:
    network = FakeNetwork(seed, discovery=False)
    line(network, 5)
    assert network.run_until(network.agrees_on_topology, 35) and not network.is_full_mesh()
    network.run_for(5)
    first, last = network.stations[1], network.stations[5]
    assert first.channel.unicast(last.name, b"hello")
    for number in (1, 3):
        network.stations[number].channel.broadcast(words(f"from {number}"))
    for station in network.stations.values():
        network.drain(station)
    network.run_for(1)
    assert last.words.unicasts == [(first.name, b"hello")]
    for number, station in network.stations.items():
        expected = [
            (peer_name(source), frozenset({f"from {source}"})) for source in (1, 3) if source != number
        ]
        assert sorted(station.words.broadcasts) == expected


@pytest.mark.parametrize("seed", range(10))
def test_two_halves_heal_and_tell_each_other_what_they_missed(seed: int) -> None:
    network = FakeNetwork(seed)
    star_of_strangers(network, 6)
    assert network.run_until(network.is_full_mesh, 5)
    network.partition((1, 2, 3), (4, 5, 6))
    network.run_for(20)
    for number in (1, 4):
        assert network.stations[number].neighbours == set(range(number, number + 3)) - {number}
        assert len(network.stations[number].node.peers()) == 3
        assert len(set(network.stations[number].forgotten)) == 3
        network.stations[number].channel.broadcast(words(f"half {number}"))
        network.stations[number].words.known.add(f"half {number}")
        network.drain(network.stations[number])
    network.run_for(10)
    network.heal()
    assert network.run_until(network.is_full_mesh, 500, every_s=5)
    assert network.run_until(network.agrees_on_topology, 35)
    for station in network.stations.values():
        assert station.words.known == {"half 1", "half 4"}


@pytest.mark.parametrize("seed", range(10))
def test_restarted_router_is_the_same_peer_and_learns_all_again(seed: int) -> None:
    network = FakeNetwork(seed)
    star_of_strangers(network, 6)
    assert network.run_until(network.is_full_mesh, 5)
    for station in network.stations.values():
        station.words.known |= {"old"}
    victim = 1 + seed % 6
    network.restart(victim)
    if victim != 1:
        network.connect(victim, 1)
    assert network.run_until(network.is_full_mesh, 120)
    assert network.run_until(network.agrees_on_topology, 35)
    assert network.stations[victim].words.known == {"old"}
    uids = {peer.uid for peer in network.stations[victim % 6 + 1].node.peers()}
    assert network.stations[victim].uid in uids and len(uids) == 6


@pytest.mark.parametrize("seed", range(10))
def test_two_that_dial_each_other_at_once_keep_one_connection(seed: int) -> None:
    network = FakeNetwork(seed)
    network.add(2)
    network.connect(1, 2)
    network.connect(2, 1)
    assert network.run_until(network.is_full_mesh, 30)
    network.run_for(5)
    kept = [station.node.connections() for station in network.stations.values()]
    assert [len(views) for views in kept] == [1, 1]
    assert kept[0][0].outbound != kept[1][0].outbound
    before = kept[0][0].conn_id
    network.run_for(900)
    assert [view.conn_id for view in network.stations[1].node.connections()] == [before]


@pytest.mark.parametrize("seed", range(3))
def test_colliding_short_ids_become_unique(seed: int) -> None:
    network = FakeNetwork(seed)
    network.short_ids = 3
    star_of_strangers(network, 10)
    assert network.run_until(network.is_full_mesh, 5)
    assert network.run_until(network.agrees_on_topology, 35)
    assert len({peer.short_id for peer in network.stations[1].node.peers()}) == 10


@pytest.mark.parametrize("seed", range(2))
def test_router_that_is_gone_is_forgotten_by_all_and_only_it(seed: int) -> None:
    network = FakeNetwork(seed)
    star_of_strangers(network, 8)
    assert network.run_until(network.is_full_mesh, 5)
    network.run_for(20)
    network.stop(3)
    network.run_for(20)
    for station in network.stations.values():
        if station.number != 3:
            assert set(station.forgotten) == {peer_name(3)}
            assert not station.node.is_known(peer_name(3))


@pytest.mark.parametrize("seed", range(2))
def test_gossip_gets_through_routers_that_do_not_know_the_channel(seed: int) -> None:
    network = FakeNetwork(seed, discovery=False)
    network.add(1)
    network.add(3, channel_name="other")
    network.add(1)
    for number in range(2, 6):
        network.connect(number, number - 1)
    first, last = network.stations[1], network.stations[5]
    assert network.run_until(lambda: len(first.node.unicast_routes()) == 5, 35)
    first.words.known.add("state")
    network.run_for(2)
    first.channel.gossip(words("news"))
    first.channel.broadcast(words("cast"))
    network.drain(first)
    network.run_for(1)
    assert last.words.broadcasts == [(first.name, frozenset({"cast"}))]
    assert "news" in last.words.known
    assert network.run_until(lambda: "state" in last.words.known, 35)


@pytest.mark.parametrize("seed", range(5))
def test_lost_connections_come_back(seed: int) -> None:
    network = FakeNetwork(seed)
    star_of_strangers(network, 5)
    assert network.run_until(network.is_full_mesh, 5)
    network.run_for(seed * 30)
    network.cut(2, 3)
    network.cut(1, 4)
    network.run_for(0.5)
    assert network.stations[1].forgotten == []
    assert network.run_until(network.is_full_mesh, 30)
