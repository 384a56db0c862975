"""Routes of all peers of a mesh together, whatever its shape: all arrives, and broadcasts arrive once."""

from __future__ import annotations

import random
from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from weave_cli.names import UNKNOWN_PEER, PeerName
from weave_cli.router.mesh.peers import Link, Peer, PeerTable
from weave_cli.router.mesh.routes import Routes

Edges = frozenset[tuple[int, int]]


@st.composite
def meshes(draw: st.DrawFn) -> tuple[int, Edges, Edges]:
    """Number of peers, connections that hold them together, and which of these are established."""
    count = draw(st.integers(1, 9))
    edges = {(draw(st.integers(1, name - 1)), name) for name in range(2, count + 1)}
    pairs = [(low, high) for high in range(2, count + 1) for low in range(1, high)]
    edges |= set(draw(st.lists(st.sampled_from(pairs), max_size=12))) if pairs else set()
    established = draw(st.frozensets(st.sampled_from(sorted(edges)))) if edges else frozenset()
    return count, frozenset(edges), established


def routes_of_all(count: int, edges: Edges, established: Edges) -> dict[int, Routes]:
    """Every peer's routes; all know the same."""
    peers = [
        Peer(
            name=PeerName(name),
            uid=name,
            version=1,
            links=tuple(
                Link(
                    remote=PeerName(low + high - name),
                    address="10.0.0.1:6783",
                    outbound=name == low,
                    established=(low, high) in established,
                )
                for low, high in sorted(edges)
                if name in (low, high)
            ),
        )
        for name in range(1, count + 1)
    ]
    made = {}
    for ourselves in peers:
        table = PeerTable(ourselves)
        table.apply([peer for peer in peers if peer is not ourselves])
        made[ourselves.name] = Routes(ourselves.name, table)
    return {int(name): routes for name, routes in made.items()}


def reached(count: int, edges: Edges, start: int) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        name = waiting.pop()
        for edge in edges:
            if name in edge and (other := sum(edge) - name) not in found:
                found.add(other)
                waiting.append(other)
    return found


def deliveries(all_routes: dict[int, Routes], source: int, *, frames: bool) -> Counter[int]:
    """How often each peer gets a broadcast of one of them, when each passes on what its routes say."""
    got: Counter[int] = Counter()
    waiting = deque([source])
    while waiting:
        routes = all_routes[waiting.popleft()]
        table = routes.broadcast if frames else routes.broadcast_all
        for name in table(PeerName(source)):
            got[name] += 1
            if got[name] == 1:
                waiting.append(name)
    return got


@given(meshes())
def test_a_broadcast_reaches_everybody_else_exactly_once(mesh: tuple[int, Edges, Edges]) -> None:
    count, edges, established = mesh
    all_routes = routes_of_all(*mesh)
    for source in all_routes:
        for frames, kind in ((False, edges), (True, established)):
            others = reached(count, kind, source) - {source}
            assert deliveries(all_routes, source, frames=frames) == Counter(others)


@given(meshes())
def test_next_hops_lead_to_the_destination_by_a_shortest_way(mesh: tuple[int, Edges, Edges]) -> None:
    count, edges, established = mesh
    all_routes = routes_of_all(*mesh)
    for source in all_routes:
        for frames, kind in ((False, edges), (True, established)):
            tables = {name: r.unicast if frames else r.unicast_all for name, r in all_routes.items()}
            assert set(tables[source]) == reached(count, kind, source)
            assert tables[source][PeerName(source)] == UNKNOWN_PEER
            for destination in tables[source]:
                at, steps = source, 0
                while at != destination:
                    at = tables[at][destination]
                    steps += 1
                assert steps == _distance(kind, source, destination)


def _distance(edges: Edges, start: int, end: int) -> int:
    level, seen, steps = {start}, {start}, 0
    while end not in level:
        level = {sum(edge) - name for edge in edges for name in level if name in edge} - seen
        seen |= level
        steps += 1
    return steps


@given(meshes(), st.randoms(use_true_random=False), st.integers(0, 9))
def test_gossip_goes_to_neighbours_only_and_never_back(
    mesh: tuple[int, Edges, Edges], rng: random.Random, excluded: int
) -> None:
    _, edges, _ = mesh
    for name, routes in routes_of_all(*mesh).items():
        chosen = routes.random_neighbours(rng, excluding=PeerName(excluded))
        neighbours = {sum(edge) - name for edge in edges if name in edge}
        assert len(chosen) == len(set(chosen))
        assert set(chosen) <= neighbours - {excluded}
        assert chosen or not neighbours - {excluded}
