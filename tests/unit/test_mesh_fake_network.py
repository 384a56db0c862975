"""The pretended network itself: what it promises to the simulations."""

from __future__ import annotations

from tests.fakes.gossip import words
from tests.fakes.network import FakeNetwork, peer_name


def pair() -> FakeNetwork:
    network = FakeNetwork(1)
    network.add(2)
    network.connect(2, 1)
    assert network.run_until(network.is_full_mesh, 5)
    network.run_for(5)
    return network


def test_same_seed_gives_the_same_run() -> None:
    runs = [pair() for _ in range(2)]
    assert runs[0].messages == runs[1].messages > 0
    assert runs[0].stations[1].node.peers() == runs[1].stations[1].node.peers()


def test_messages_keep_their_order() -> None:
    network = pair()
    for text in b"abcdefgh":
        network.stations[1].channel.unicast(peer_name(2), bytes([text]))
        network.drain(network.stations[1])
    network.run_for(1)
    assert b"".join(data for _, data in network.stations[2].words.unicasts) == b"abcdefgh"


def test_partition_loses_messages_and_ends_connections_until_healed() -> None:
    network = pair()
    network.partition((1,), (2,))
    network.stations[1].channel.broadcast(words("lost"))
    network.drain(network.stations[1])
    network.run_for(2)
    assert [station.node.connections() for station in network.stations.values()] == [(), ()]
    assert network.stations[2].words.broadcasts == []
    network.heal()
    assert network.run_until(network.is_full_mesh, 60)


def test_stopped_station_refuses_and_a_restarted_one_has_a_new_uid() -> None:
    network = pair()
    uid = network.stations[1].uid
    network.stop(1)
    network.run_for(5)
    (view,) = network.stations[2].node.targets()
    assert (view.state, view.last_error) == ("failed", "connection refused")
    network.restart(1)
    assert network.stations[1].uid != uid
    assert network.run_until(network.is_full_mesh, 60)


def test_cut_connection_ends_at_both_ends() -> None:
    network = pair()
    network.cut(1, 2)
    network.run_for(0.01)
    assert [station.node.connections() for station in network.stations.values()] == [(), ()]
