"""Addresses of one range in the hands of routers of both kinds."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.interop.conftest import MakePeer
from tests.interop.peers import Peer, logs_of
from tests.interop.test_connections import PAIRS
from tests.kernel.programs import eventually

SMALL_RANGE = "10.32.0.0/26"
#: The first and the last address of a subnet are given to nobody.
USABLE = 62


def _meet(one: Peer, two: Peer, address_range: str = SMALL_RANGE) -> None:
    one.start(address_range=address_range)
    two.start(one, address_range=address_range)
    eventually(
        lambda: one.known_peers() == two.known_peers() == {one.name, two.name}, lambda: logs_of(one, two)
    )


@PAIRS
def test_addresses_are_asked_from_each_other_until_none_is_left(
    make_peer: MakePeer, dialled: str, dialler: str
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    _meet(one, two)
    given = [two.allocate("first")]
    given += [one.allocate(f"c{number}") for number in range(USABLE - 1)]
    assert len(set(given)) == USABLE
    late: list[str] = []
    waiting = threading.Thread(target=lambda: late.append(two.allocate("late", timeout_s=60)))
    waiting.start()
    one.release("c7")
    waiting.join()
    assert late == [given[8]]


@PAIRS
def test_addresses_alternate_without_a_duplicate(make_peer: MakePeer, dialled: str, dialler: str) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    _meet(one, two)
    given = [peer.allocate(f"c{number}") for number in range(USABLE // 2) for peer in (one, two)]
    assert len(set(given)) == USABLE


@PAIRS
def test_a_claimed_address_is_fetched_and_one_in_use_refused(
    make_peer: MakePeer, dialled: str, dialler: str
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    _meet(one, two)
    taken = one.allocate("c1")
    two.allocate("c2")
    assert two.ask("PUT", f"/ip/mine/{taken}")[0] == 400
    assert two.ask("PUT", "/ip/mine/10.32.0.9/26")[0] == 204
    assert one.ask("PUT", "/ip/theirs/10.32.0.60/26")[0] == 204
    assert one.ask("PUT", "/ip/theirs/10.32.0.9/26")[0] == 400
    assert two.ask("PUT", "/ip/mine/10.32.0.60/26")[0] == 400


@PAIRS
@pytest.mark.parametrize("end", [Peer.stop, Peer.kill], ids=["stopped", "killed"])
def test_addresses_survive_a_restart(
    make_peer: MakePeer, dialled: str, dialler: str, end: Callable[[Peer], object]
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    _meet(one, two)
    given = {peer: [peer.allocate(f"c{number}") for number in range(5)] for peer in (one, two)}
    for peer in (one, two):
        end(peer)
        peer.start(*((one,) if peer is two else ()), address_range=SMALL_RANGE)
        eventually(
            lambda: one.known_peers() == two.known_peers() == {one.name, two.name},
            lambda: logs_of(one, two),
        )
        fresh = [one.allocate(f"after{peer.nickname}"), two.allocate(f"after{peer.nickname}")]
        assert not set(fresh) & {address for addresses in given.values() for address in addresses}
        for holder in (one, two):
            given[holder].append(fresh[0 if holder is one else 1])


@PAIRS
@pytest.mark.parametrize("leaver", [0, 1], ids=["dialled-leaves", "dialler-leaves"])
def test_who_is_reset_leaves_everything_to_the_other(
    make_peer: MakePeer, dialled: str, dialler: str, leaver: int
) -> None:
    pair = make_peer(dialled), make_peer(dialler)
    _meet(*pair)
    leaving, staying = pair[leaver], pair[1 - leaver]
    kept = staying.allocate("kept")
    leaving.allocate("lost")
    assert leaving.leave()[0] == 204
    leaving.kill()
    leaving.forget_everything()
    given = [staying.allocate(f"c{number}") for number in range(USABLE - 1)]
    assert len({kept, *given}) == USABLE
    leaving.start(address_range=SMALL_RANGE)
    staying.connect(leaving)
    # A router that does not know of the division yet would make one of its own.
    eventually(lambda: leaving.report()["IPAM"]["Entries"], lambda: logs_of(*pair))
    staying.release("c1")
    assert leaving.allocate("again") == given[1]


@PAIRS
@pytest.mark.parametrize("victim", [0, 1], ids=["dialled-dies", "dialler-dies"])
def test_ranges_of_a_removed_peer_are_taken_over(
    make_peer: MakePeer, dialled: str, dialler: str, victim: int
) -> None:
    pair = make_peer(dialled), make_peer(dialler)
    _meet(*pair)
    dead, staying = pair[victim], pair[1 - victim]
    kept = staying.allocate("kept")
    dead.allocate("lost")
    dead.kill()
    eventually(lambda: staying.known_peers() == {staying.name}, lambda: logs_of(*pair))
    assert "taken over" in staying.take_over(dead)
    given = [staying.allocate(f"c{number}") for number in range(USABLE - 1)]
    assert len({kept, *given}) == USABLE
