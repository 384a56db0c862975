"""Four routers in a line, each of which reaches its neighbours only: everything goes end to end.

1 --- 2 --- 3 --- 4
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.containers import Container, exchange_by_tcp, wait_until_reachable
from tests.interop.names import wait_for_name
from tests.interop.peers import OurPeer, Peer, logs_of
from tests.kernel.chains import chain
from tests.kernel.namespaces import Underlay, udp_socket
from tests.kernel.programs import eventually

_RANGE = "10.32.0.0/26"
_WEB = "web.weave.local."


@pytest.fixture(params=[("--no-discovery",), ()], ids=["no discovery", "discovery"])
def line(request: pytest.FixtureRequest, underlay: Underlay, tmp_path: Path) -> Iterator[list[OurPeer]]:
    peers = [OurPeer(host, tmp_path) for host in chain(underlay, 4)]
    try:
        for before, peer in zip([None, *peers], peers, strict=False):
            peer.start(*([before] if before else []), address_range=_RANGE, options=request.param)
        wait_for_all(peers)
        yield peers
    finally:
        for peer in peers:
            if peer.is_running:
                peer.kill()


def wait_for_all(peers: list[OurPeer]) -> None:
    """Wait until everybody knows everybody, and all links are established."""
    names = {peer.name for peer in peers}

    def is_complete() -> bool:
        return all(peer.known_peers() == names for peer in peers) and all(
            one.is_connected_to(other) for one, other in itertools.pairwise(peers)
        )

    eventually(is_complete, lambda: logs_of(*peers), 60)


def via(peer: Peer) -> dict[str, str]:
    """Destination and next hop of frames."""
    return {route["Dest"]: route["Via"] for route in peer.report()["Router"]["UnicastRoutes"]}


def test_names_addresses_and_routes_go_end_to_end(line: list[OurPeer]) -> None:
    one, two, three, four = line
    assert [peer.established_with() for peer in line] == [
        {two.name},
        {one.name, three.name},
        {two.name, four.name},
        {three.name},
    ]
    nobody = "00:00:00:00:00:00"
    eventually(
        lambda: via(one) == {one.name: nobody, two.name: two.name, three.name: two.name, four.name: two.name},
        lambda: logs_of(*line),
    )
    four.add_name(_WEB, "c4", "10.32.0.9")
    wait_for_name(one, _WEB, {"10.32.0.9"}, *line)
    one.add_name(_WEB, "c1", "10.32.0.8")
    wait_for_name(four, _WEB, {"10.32.0.8", "10.32.0.9"}, *line)
    four.remove_name(_WEB, "c4", "10.32.0.9")
    wait_for_name(one, _WEB, {"10.32.0.8"}, *line)
    # More than the ends' own shares: they ask each other, and everybody between.
    given = [peer.allocate(f"c{count}") for count in range(25) for peer in (one, four)]
    assert len(set(given)) == len(given)


def test_the_end_is_forgotten_with_the_host_before_it_and_comes_back(line: list[OurPeer]) -> None:
    one, two, three, four = line
    four.add_name(_WEB, "c4", "10.32.0.9")
    wait_for_name(one, _WEB, {"10.32.0.9"}, *line)
    kept = four.allocate("kept")
    three.kill()
    eventually(lambda: one.known_peers() == {one.name, two.name}, lambda: logs_of(one, two))
    wait_for_name(one, _WEB, set(), one, two)
    three.start(two, address_range=_RANGE)
    wait_for_all(line)
    wait_for_name(one, _WEB, {"10.32.0.9"}, *line)
    assert four.allocate("kept") == kept
    assert one.allocate("new") != kept


def test_frames_go_end_to_end_and_broadcasts_arrive_once(line: list[OurPeer]) -> None:
    containers = [Container(peer, f"c{number}") for number, peer in enumerate(line, 1)]
    first, last = containers[0], containers[-1]
    for one in containers:
        for other in containers:
            if one is not other:
                wait_until_reachable(one, other)
    exchange_by_tcp(first, last, 2_000_000)
    inboxes = [udp_socket(container.namespace, port=5555) for container in containers]
    try:
        for index, inbox in enumerate(inboxes):
            inbox.sendto(b"all %d" % index, ("10.32.0.63", 5555))
        for inbox in inboxes:
            # Their own they get from their own kernel.
            heard = sorted(inbox.recv(100) for _ in inboxes)
            assert heard == [b"all %d" % number for number in range(len(inboxes))]
        for inbox in inboxes:
            inbox.settimeout(0.5)
            with pytest.raises(TimeoutError):
                inbox.recv(100)
    finally:
        for inbox in inboxes:
            inbox.close()
