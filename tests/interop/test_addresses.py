"""Addresses of one range in the hands of routers of both kinds."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.interop.conftest import MakePeer
from tests.interop.go_version import go_version
from tests.interop.peers import Peer, logs_of, meet, wait_for_mesh
from tests.interop.test_connections import PAIRS
from tests.kernel.programs import eventually

SMALL_RANGE = "10.32.0.0/26"
#: The first and the last address of a subnet are given to nobody.
USABLE = 62


@PAIRS
def test_addresses_are_asked_from_each_other_until_none_is_left(
    make_peer: MakePeer, dialled: str, dialler: str
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    meet(one, two, SMALL_RANGE)
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
    meet(one, two, SMALL_RANGE)
    given = [peer.allocate(f"c{number}") for number in range(USABLE // 2) for peer in (one, two)]
    assert len(set(given)) == USABLE


@PAIRS
def test_a_claimed_address_is_fetched_and_one_in_use_refused(
    make_peer: MakePeer, dialled: str, dialler: str
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    meet(one, two, SMALL_RANGE)
    taken = one.allocate("c1")
    two.allocate("c2")
    assert two.claim("mine", taken) == 400
    assert two.claim("mine", "10.32.0.9/26") == 204
    assert one.claim("theirs", "10.32.0.60/26") == 204
    assert one.claim("theirs", "10.32.0.9/26") == 400
    assert two.claim("mine", "10.32.0.60/26") == 400


@PAIRS
@pytest.mark.parametrize("end", [Peer.stop, Peer.kill], ids=["stopped", "killed"])
def test_addresses_survive_a_restart(
    make_peer: MakePeer, dialled: str, dialler: str, end: Callable[[Peer], object]
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    meet(one, two, SMALL_RANGE)
    given = {peer: {f"c{number}": peer.allocate(f"c{number}") for number in range(5)} for peer in (one, two)}
    for peer in (one, two):
        end(peer)
        # Named: a router without memory would otherwise divide the range anew, all by itself.
        peer.start(one if peer is two else two, address_range=SMALL_RANGE)
        peer.claim_again(given[peer])
        eventually(
            lambda: one.known_peers() == two.known_peers() == {one.name, two.name},
            lambda: logs_of(one, two),
        )
        fresh = {holder: holder.allocate(f"after{peer.nickname}") for holder in (one, two)}
        assert not {*fresh.values()} & {cidr for held in given.values() for cidr in held.values()}
        for holder in (one, two):
            given[holder][f"after{peer.nickname}"] = fresh[holder]


@PAIRS
@pytest.mark.parametrize("leaver", [0, 1], ids=["dialled-leaves", "dialler-leaves"])
def test_who_is_reset_leaves_everything_to_the_other(
    make_peer: MakePeer, dialled: str, dialler: str, leaver: int
) -> None:
    pair = make_peer(dialled), make_peer(dialler)
    meet(*pair, SMALL_RANGE)
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
    meet(*pair, SMALL_RANGE)
    dead, staying = pair[victim], pair[1 - victim]
    kept = staying.allocate("kept")
    dead.allocate("lost")
    dead.kill()
    eventually(lambda: staying.known_peers() == {staying.name}, lambda: logs_of(*pair))
    staying.take_over(dead)
    given = [staying.allocate(f"c{number}") for number in range(USABLE - 1)]
    assert len({kept, *given}) == USABLE


def test_a_division_by_others_is_taken(make_peer: MakePeer) -> None:
    """Three Go routers agree among themselves; those before 1.6 divide by another rule than ours."""
    others = [make_peer("go") for _ in range(3)]
    ours = make_peer("our")
    for peer in others:
        # With five in all, three are what it takes.
        peer.start(*others[: others.index(peer)], address_range=SMALL_RANGE, options=peer.agreement(5))
    ours.start(others[0], address_range=SMALL_RANGE, options=("--ipalloc-init=observer",))
    wait_for_mesh(*others, ours)
    given = [others[0].allocate("c0")]
    eventually(lambda: ours.report()["IPAM"]["Entries"], lambda: logs_of(*others, ours), 60)
    sizes = [entry["Size"] for entry in ours.report()["IPAM"]["Entries"]]
    assert sizes == ([32, 16, 16] if go_version().halves_ranges else [22, 21, 21])
    given += [ours.allocate(f"c{number}") for number in range(USABLE - 1)]
    assert len(set(given)) == USABLE
