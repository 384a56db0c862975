"""Routers of both generations in one mesh: before 2.6 topology updates are broadcasts, since then gossip."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.gossip import words
from tests.fakes.network import FakeNetwork, peer_name
from tests.fakes.old_node import OldNode
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.wire.messages import Tag, decode_gossip

pytestmark = pytest.mark.sim


class Generations(FakeNetwork):
    """Stations with even numbers are old. `topology_tags` says how updates travelled."""

    def __init__(self, seed: int, *, discovery: bool = True) -> None:
        super().__init__(seed, discovery=discovery)
        self.topology_tags: set[int] = set()
        self.make_node = self._make_either

    def _make_either(self, number: int, **facts: Any) -> MeshNode:
        network = self

        class Noted(MeshNode if number % 2 else OldNode):  # type: ignore[misc]
            def receive(self, conn_id: int, tag: int, payload: bytes, now: float) -> None:
                if tag != Tag.UNICAST and decode_gossip(payload).channel == "topology":
                    network.topology_tags.add(tag)
                super().receive(conn_id, tag, payload, now)

        made: MeshNode = Noted(**facts)
        return made


@pytest.mark.parametrize("seed", range(4))
def test_a_mesh_of_both_becomes_complete_and_heals(seed: int) -> None:
    network = Generations(seed)
    network.add(9)
    for number in range(2, 10):
        network.connect(number, 1 + seed % 2 if number > 2 else 1)
    assert network.run_until(network.is_full_mesh, 20)
    assert network.run_until(network.agrees_on_topology, 35)
    assert network.topology_tags == {Tag.GOSSIP, Tag.BROADCAST}
    network.stop(3)
    network.stop(4)
    network.run_for(20)
    for station in network.stations.values():
        if station.is_up:
            assert set(station.forgotten) == {peer_name(3), peer_name(4)}
    network.restart(4)
    network.connect(4, 1)
    assert network.run_until(network.is_full_mesh, 120)
    assert network.run_until(network.agrees_on_topology, 35)


@pytest.mark.parametrize("seed", range(4))
def test_a_line_of_both_relays_everything_end_to_end(seed: int) -> None:
    network = Generations(seed, discovery=False)
    network.add(6)
    for number in range(2, 7):
        network.connect(number, number - 1)
    assert network.run_until(network.agrees_on_topology, 65)
    network.run_for(5)
    first, last = network.stations[1], network.stations[6]
    assert first.channel.unicast(last.name, b"hello")
    last.channel.broadcast(words("cast"))
    for station in (first, last):
        network.drain(station)
    network.run_for(1)
    assert last.words.unicasts == [(first.name, b"hello")]
    for number in range(1, 6):
        assert network.stations[number].words.broadcasts == [(last.name, frozenset({"cast"}))]
    network.restart(3)
    network.connect(3, 2)
    assert network.run_until(lambda: len(first.node.unicast_routes()) == 6, 120)
    assert network.run_until(network.agrees_on_topology, 65)
