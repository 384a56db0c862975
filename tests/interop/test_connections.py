"""A router of ours and a Go router find each other, however they start and end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.conftest import MakePeer
from tests.interop.peers import Peer, logs_of, wait_for_link, wait_for_mesh
from tests.kernel.programs import eventually

PAIRS = pytest.mark.parametrize(("dialled", "dialler"), [("go", "our"), ("our", "go")])
PASSWORDS = pytest.mark.parametrize("password", ["", "correct horse"], ids=["plain", "password"])


@PAIRS
@PASSWORDS
def test_two_routers_are_established(make_peer: MakePeer, dialled: str, dialler: str, password: str) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    one.start(password=password)
    two.start(one, password=password)
    wait_for_mesh(one, two)
    for peer in (one, two):
        assert " sleeve " in peer.connection_lines()
        assert ("encrypted" in peer.connection_lines()) == bool(password)


@PAIRS
def test_a_wrong_password_is_refused_and_the_right_one_is_not(
    make_peer: MakePeer, dialled: str, dialler: str
) -> None:
    one, two, right = make_peer(dialled), make_peer(dialler), make_peer(dialler)
    one.start(password="correct horse")
    two.start(one, password="battery staple")
    right.start(one, password="correct horse")
    wait_for_mesh(one, right)
    assert one.known_peers() == {one.name, right.name}
    assert two.known_peers() == {two.name}


@PAIRS
@pytest.mark.parametrize("end", [Peer.stop, Peer.kill], ids=["stopped", "killed"])
@PASSWORDS
def test_either_side_comes_back(
    make_peer: MakePeer, dialled: str, dialler: str, end: Callable[[Peer], object], password: str
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    one.start(password=password)
    two.start(one, password=password)
    for peer in (one, two):
        wait_for_mesh(one, two)
        end(peer)
        peer.start(*((one,) if peer is two else ()), password=password)
        wait_for_mesh(one, two)


@PAIRS
def test_a_cut_link_is_noticed_and_healed(make_peer: MakePeer, dialled: str, dialler: str) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    one.start()
    two.start(one)
    wait_for_mesh(one, two)
    two.host.cut()
    eventually(lambda: not one.established_with(), lambda: logs_of(one, two), 90)
    eventually(lambda: not two.established_with(), lambda: logs_of(one, two), 90)
    two.host.heal()
    wait_for_mesh(one, two, timeout_s=90)


def test_routers_of_both_kinds_discover_each_other(make_peer: MakePeer) -> None:
    first, *others = [make_peer(kind) for kind in ("go", "our", "go", "our", "our", "go")]
    first.start()
    for peer in others:
        peer.start(first)
    wait_for_mesh(first, *others, timeout_s=120)


def test_forgotten_and_connected_again(make_peer: MakePeer) -> None:
    ours, theirs = make_peer("our"), make_peer("go")
    ours.start()
    theirs.start()
    ours.connect(theirs)
    wait_for_link(ours, theirs)
    ours.forget(theirs)
    theirs.kill()
    eventually(lambda: ours.known_peers() == {ours.name}, ours.log)
    theirs.start()
    theirs.connect(ours)
    wait_for_mesh(ours, theirs)
