"""How long something must look dead before it is."""

from __future__ import annotations

from weave_cli.plugin.suspicion import Suspects, Suspicion

FOUND = Suspects(endpoints=frozenset({"e"}), named=frozenset({"c"}))
NOTHING = Suspects()


def test_each_kind_has_its_time_and_the_next_look_is_when_it_is_over() -> None:
    book = Suspicion(longest_s=60)
    assert book.next_proof() is None
    assert book.see(FOUND, began=99, ended=100) == NOTHING
    assert book.next_proof() == 120
    assert book.see(FOUND, began=119.9, ended=121) == NOTHING
    assert book.see(FOUND, began=120, ended=121) == Suspects(endpoints=frozenset({"e"}))
    assert book.next_proof() == 130
    # What is still there although it was removed is suspected anew.
    assert book.see(FOUND, began=130, ended=131) == Suspects(named=frozenset({"c"}))
    assert book.next_proof() == 151


def test_what_was_alive_in_between_begins_anew() -> None:
    book = Suspicion(longest_s=60)
    book.see(FOUND, began=0, ended=0)
    book.see(NOTHING, began=10, ended=10)
    assert book.next_proof() is None
    assert book.see(FOUND, began=40, ended=40) == NOTHING
    book.forget()
    assert book.see(FOUND, began=80, ended=80) == NOTHING


def test_looks_that_follow_closely_are_enough_for_those_who_ask_for_them() -> None:
    book = Suspicion(longest_s=2)
    book.see(FOUND, began=0, ended=0)
    assert book.see(FOUND, began=2, ended=2) == FOUND
