from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest

from tests.vectors.load import load
from weave_cli.names import PeerName, format_peer_name, parse_peer_name
from weave_cli.router.mesh.peers import Link, Peer, PeerTable
from weave_cli.router.mesh.routes import Routes

VECTORS = load("routes")["vectors"]


def link_to(remote: int, *, established: bool = True) -> Link:
    return Link(remote=PeerName(remote), address="10.0.0.9:6783", outbound=True, established=established)


def table_of(links: dict[int, list[Link]], us: int) -> PeerTable:
    """A table with every peer that has an entry in `links`."""
    peers = {name: Peer(name=PeerName(name), links=tuple(own)) for name, own in links.items()}
    table = PeerTable(peers[us])
    for peer in peers.values():
        table.put(peer)
    return table


def star(us: int, others: range) -> Routes:
    """We in the middle, and everybody else connected to us only."""
    links = {us: [link_to(other) for other in others]}
    links.update({other: [link_to(us)] for other in others})
    return Routes(PeerName(us), table_of(links, us))


def table_of_vector(vector: dict[str, Any]) -> PeerTable:
    links: dict[int, list[Link]] = defaultdict(list)
    for number in range(1, vector["peers"] + 1):
        links[parse_peer_name(f"7a::{number:x}")] = []
    for edge in vector["edges"]:
        for here, there in (("a", "b"), ("b", "a")):
            if not edge[f"absent_at_{here}"]:
                links[parse_peer_name(edge[here])].append(
                    link_to(parse_peer_name(edge[there]), established=edge[f"established_at_{here}"])
                )
    return table_of(links, parse_peer_name(vector["self"]))


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{v['name']} at {v['self'][-2:]}" for v in VECTORS])
def test_tables_are_those_of_the_go_routers(vector: dict[str, Any]) -> None:
    table = table_of_vector(vector)
    routes = Routes(parse_peer_name(vector["self"]), table)

    def shown(hops: Any) -> dict[str, str]:
        return {format_peer_name(name): format_peer_name(hop) for name, hop in hops.items()}

    def broadcasts(of: Any) -> dict[str, list[str]]:
        names = [parse_peer_name(name) for name in vector["routes"]["Broadcast"]]
        return {format_peer_name(name): [format_peer_name(hop) for hop in of(name)] for name in names}

    expected = vector["routes"]
    assert shown(routes.unicast) == expected["Unicast"]
    assert shown(routes.unicast_all) == expected["UnicastAll"]
    assert broadcasts(routes.broadcast) == {k: sorted(v or []) for k, v in expected["Broadcast"].items()}
    assert broadcasts(routes.broadcast_all) == {
        k: sorted(v or []) for k, v in expected["BroadcastAll"].items()
    }


def test_broadcast_of_an_unknown_source_goes_nowhere() -> None:
    assert star(1, range(2, 5)).broadcast_all(PeerName(77)) == ()


def test_tables_follow_the_peers_after_invalidate() -> None:
    table = table_of({1: [link_to(2)], 2: [link_to(1)]}, 1)
    routes = Routes(PeerName(1), table)
    assert set(routes.unicast) == {1, 2}
    table.put(Peer(name=PeerName(1)))
    routes.invalidate()
    assert set(routes.unicast) == {1}


def test_all_neighbours_are_chosen_when_there_are_few() -> None:
    routes = star(1, range(2, 5))
    assert routes.random_neighbours(random.Random(0), excluding=PeerName(1)) == [2, 3, 4]
    assert routes.random_neighbours(random.Random(0), excluding=PeerName(3)) == [2, 4]


def test_number_of_neighbours_is_twice_the_logarithm_of_the_peers() -> None:
    routes = star(1, range(2, 65))
    chosen = routes.random_neighbours(random.Random(0), excluding=PeerName(1))
    assert len(chosen) == len(set(chosen)) == 12


def test_neighbours_that_lead_to_more_peers_are_chosen_more_often() -> None:
    # Peer 2 leads to 100 others; peers 3 to 40 to themselves only.
    links = {1: [link_to(n) for n in range(2, 41)]}
    links.update({n: [link_to(1)] for n in range(3, 41)})
    links[2] = [link_to(1), *(link_to(n) for n in range(100, 200))]
    links.update({n: [link_to(2)] for n in range(100, 200)})
    routes = Routes(PeerName(1), table_of(links, 1))
    draws = [routes.random_neighbours(random.Random(seed), excluding=PeerName(1)) for seed in range(50)]
    of_two = sum(2 in draw for draw in draws)
    of_three = sum(3 in draw for draw in draws)
    assert of_two > 45 > 35 > of_three
    assert all(len(draw) == 14 for draw in draws)


def test_nobody_is_chosen_when_alone() -> None:
    routes = Routes(PeerName(1), table_of({1: []}, 1))
    assert routes.random_neighbours(random.Random(0), excluding=PeerName(1)) == []
