"""Names told by one kind of router and asked from the other."""

from __future__ import annotations

from tests.interop.conftest import MakePeer
from tests.interop.names import resolve, wait_for_name
from tests.interop.peers import meet
from tests.interop.test_connections import PAIRS

WEB = "web.weave.local."
DB = "db.weave.local."


@PAIRS
def test_names_are_known_on_both_sides_and_gone_after_removal(
    make_peer: MakePeer, dialled: str, dialler: str
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    meet(one, two)
    one.add_name(WEB, "c1", "10.32.0.1")
    two.add_name(WEB, "c2", "10.32.0.2")
    two.add_name(DB, "c2", "10.32.0.2")
    for peer in (one, two):
        wait_for_name(peer, WEB, {"10.32.0.1", "10.32.0.2"}, one, two)
        wait_for_name(peer, DB, {"10.32.0.2"}, one, two)
        assert resolve(peer, "1.0.32.10.in-addr.arpa.", "PTR") == {WEB}
    two.remove_name(WEB, "c2", "10.32.0.2")
    one.ask("DELETE", "/name/c1")
    for peer in (one, two):
        wait_for_name(peer, WEB, set(), one, two)
        wait_for_name(peer, DB, {"10.32.0.2"}, one, two)
    one.add_name(WEB, "c1", "10.32.0.1")
    for peer in (one, two):
        wait_for_name(peer, WEB, {"10.32.0.1"}, one, two)


@PAIRS
def test_names_of_a_dead_peer_go_and_come_back_with_it(
    make_peer: MakePeer, dialled: str, dialler: str
) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    meet(one, two)
    one.add_name(WEB, "c1", "10.32.0.1")
    two.add_name(DB, "c2", "10.32.0.2")
    wait_for_name(two, WEB, {"10.32.0.1"}, one, two)
    wait_for_name(one, DB, {"10.32.0.2"}, one, two)
    two.kill()
    wait_for_name(one, DB, set(), one, two)
    two.start(one)
    wait_for_name(two, WEB, {"10.32.0.1"}, one, two)
    # A new incarnation does not know the names of its predecessor; it tells them anew, as the tools do.
    two.add_name(DB, "c2", "10.32.0.3")
    wait_for_name(one, DB, {"10.32.0.3"}, one, two)
    wait_for_name(two, DB, {"10.32.0.3"}, one, two)


@PAIRS
def test_a_thousand_names(make_peer: MakePeer, dialled: str, dialler: str) -> None:
    one, two = make_peer(dialled), make_peer(dialler)
    meet(one, two)
    for number in range(500):
        one.add_name(f"a{number}.weave.local", f"a{number}", f"10.32.1.{number % 250}")
        two.add_name(f"b{number}.weave.local", f"b{number}", f"10.32.2.{number % 250}")
    for number in (0, 250, 499):
        for peer in (one, two):
            wait_for_name(peer, f"a{number}.weave.local.", {f"10.32.1.{number % 250}"}, one, two)
            wait_for_name(peer, f"b{number}.weave.local.", {f"10.32.2.{number % 250}"}, one, two)
    counted = [len(peer.report()["DNS"]["Entries"]) for peer in (one, two)]
    assert counted == [1000, 1000]
