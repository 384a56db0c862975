"""Ring, free space and books stay in step, above all when they are loaded again."""

from __future__ import annotations

import pytest

from tests.fakes.allocators import FakeJournal
from weave_cli.addresses import Cidr, Range, parse_cidr
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import UNKNOWN_PEER, PeerName
from weave_cli.router.ipam.books import Holding
from weave_cli.router.ipam.ring import Entry, Ring
from weave_cli.router.ipam.territory import Saved, Territory

US, OTHER = PeerName(1), PeerName(2)
WHOLE = parse_cidr("10.0.0.0/24").network
MIDDLE = WHOLE.start + 128


def halves(**changes: PeerName) -> Ring:
    """The lower half is ours, the upper the other's, unless said otherwise."""
    lower, upper = changes.get("lower", US), changes.get("upper", OTHER)
    return Ring(
        WHOLE, [Entry(token=WHOLE.start, peer=lower, free=128), Entry(token=MIDDLE, peer=upper, free=128)]
    )


def cidr(number: int) -> Cidr:
    return Cidr(WHOLE.start + number, 24)


def load(saved: Saved, journal: FakeJournal | None = None, whole: Range = WHOLE) -> Territory:
    return Territory(US, whole, journal or FakeJournal(), saved)


def test_stored_addresses_are_in_use_again_and_all_else_is_free() -> None:
    territory = load(Saved(halves(), {"c": Holding(True, [cidr(1), cidr(7)])}))
    assert territory.books.all() == {"c": [cidr(1), cidr(7)]}
    assert [territory.is_free(WHOLE.start + number) for number in (0, 1, 7, 8, 128)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert territory.ring.entries[0].free == 126


def test_nothing_is_kept_of_another_range() -> None:
    journal = FakeJournal(owned={cidr(1).address: ("c", cidr(1), True)})
    saved = Saved(halves(), {"c": Holding(True, [cidr(1), parse_cidr("192.168.0.1/24")])})
    territory = load(saved, journal, parse_cidr("10.1.0.0/24").network)
    assert not territory.is_divided
    assert territory.books.all() == {}
    journal.commit()
    assert journal.committed.ring == Ring(parse_cidr("10.1.0.0/24").network)
    assert journal.committed.holdings == {}


def test_stored_addresses_that_the_ring_gives_to_others_are_dropped() -> None:
    journal = FakeJournal(owned={cidr(200).address: ("gone", cidr(200), True)})
    saved = Saved(halves(), {"gone": Holding(True, [cidr(200)]), "c": Holding(True, [cidr(1), cidr(201)])})
    territory = load(saved, journal)
    assert territory.books.all() == {"c": [cidr(1)]}
    assert journal.owned == {}


def test_stored_addresses_without_a_ring_are_kept_only_outside_the_range() -> None:
    outside = parse_cidr("192.168.0.1/24")
    territory = load(Saved(None, {"c": Holding(False, [cidr(1), outside])}))
    assert territory.books.all() == {"c": [outside]}


def test_addresses_outside_the_range_leave_the_ring_alone() -> None:
    territory = load(Saved(halves()))
    before = list(territory.ring.entries)
    outside = parse_cidr("192.168.0.1/24")
    territory.use("c", outside, is_container=False)
    assert territory.books.owner_of(outside.address) == "c"
    territory.release("c", outside)
    assert territory.ring.entries == before


def test_free_space_is_counted_with_every_address() -> None:
    territory = load(Saved(halves()))
    given = territory.use_lowest("c", parse_cidr("10.0.0.0/24"), is_container=False)
    assert given == cidr(1)
    assert (territory.ring.entries[0].free, territory.ring.entries[0].version) == (127, 1)
    territory.release("c", cidr(1))
    assert (territory.ring.entries[0].free, territory.ring.entries[0].version) == (128, 2)


def test_loss_of_unused_space_is_accepted_and_that_space_given_to_nobody() -> None:
    territory = load(Saved(halves()))
    theirs = halves()
    theirs.entries.insert(1, Entry(token=WHOLE.start + 64, peer=OTHER, free=64))
    theirs.entries[0] = Entry(token=WHOLE.start, peer=US, free=64)
    news = territory.merge(theirs)
    assert (news.updated, news.gained) == (True, 0)
    assert territory.is_free(WHOLE.start + 63)
    assert not territory.is_free(WHOLE.start + 64)
    assert territory.ring.entries[0].free == 64


def test_loss_of_used_space_is_a_quarrel_that_changes_nothing() -> None:
    territory = load(Saved(halves(), {"c": Holding(True, [cidr(70)])}))
    before = list(territory.ring.entries)
    theirs = halves()
    theirs.entries[0] = Entry(token=WHOLE.start, peer=OTHER, version=9, free=128)
    with pytest.raises(RemoteProtocolError, match="Received update for IP range I own"):
        territory.merge(theirs)
    assert territory.ring.entries == before
    assert territory.is_free(WHOLE.start + 1)


def test_what_is_in_use_behind_a_loss_is_no_quarrel() -> None:
    """An old journal has no token behind what was given away; Go routers look up to the next they have."""
    territory = load(Saved(halves(), {"c": Holding(True, [cidr(100)])}))
    theirs = halves()
    theirs.entries[0] = Entry(token=WHOLE.start, peer=OTHER, version=9, free=32)
    theirs.entries.insert(1, Entry(token=WHOLE.start + 32, peer=US, version=1, free=95))
    assert territory.merge(theirs).updated
    assert territory.owner_of(WHOLE.start + 31) == OTHER
    assert not territory.is_free(WHOLE.start + 31)
    assert territory.is_free(WHOLE.start + 33)
    assert territory.owner_of(WHOLE.start + 100) == US


def test_loss_that_the_walk_does_not_see_is_a_quarrel_too() -> None:
    """A token before our first one takes what our last entry owns around the end of the range."""
    wrapped = Ring(WHOLE, [Entry(token=WHOLE.start + 64, peer=US, free=256)])
    territory = load(Saved(wrapped, {"c": Holding(True, [cidr(1)])}))
    theirs = Ring(
        WHOLE,
        [Entry(token=WHOLE.start, peer=OTHER, free=64), Entry(token=WHOLE.start + 64, peer=US, free=192)],
    )
    with pytest.raises(RemoteProtocolError, match=r"takes 10\.0\.0\.0-10\.0\.0\.63 away"):
        territory.merge(theirs)


def test_gained_space_is_free() -> None:
    territory = load(Saved(halves()))
    theirs = halves()
    theirs.entries[1] = Entry(token=MIDDLE, peer=US, version=1, free=128)
    assert territory.merge(theirs).gained == 128
    assert territory.is_free(WHOLE.end - 1)
    assert territory.merge(theirs).updated is False


def test_donated_space_is_free_no_more() -> None:
    territory = load(Saved(halves()))
    donation = territory.donate(WHOLE, OTHER)
    assert donation == Range(WHOLE.start + 64, WHOLE.start + 128)
    assert not territory.is_free(donation.start)
    assert territory.owner_of(donation.start) == OTHER
    assert territory.ring.entries[0].free == 64


def test_leaving_without_an_heir_is_not_remembered() -> None:
    journal = FakeJournal()
    territory = load(Saved(halves(upper=US)), journal)
    journal.commit()
    territory.hand_over(None)
    assert territory.ring.owners() == [UNKNOWN_PEER]
    assert not territory.is_free(WHOLE.start + 1)
    before = journal.committed
    journal.commit()
    assert journal.committed == before


def test_space_of_nobody_can_be_taken_over() -> None:
    territory = load(Saved(halves(upper=UNKNOWN_PEER)))
    assert territory.annex(UNKNOWN_PEER) == 128
    assert territory.is_free(WHOLE.end - 1)
