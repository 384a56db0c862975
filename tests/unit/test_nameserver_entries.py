"""The laws of merging, and names against the domain."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weave_cli.names import PeerName
from weave_cli.router.nameserver.entries import Entry, Identity, find_news, is_in_domain, merge_entries
from weave_cli.router.nameserver.index import LivingIndex

pytestmark = pytest.mark.unit

#: Few identities and states, so that they meet often.
_ENTRY = st.builds(
    Entry,
    container_id=st.sampled_from(["c1", "c2"]),
    origin=st.sampled_from([PeerName(1), PeerName(2)]),
    address=st.just(7),
    hostname=st.sampled_from(["a.", "A."]),
    version=st.integers(0, 2),
    tombstone=st.sampled_from([0, 5, 6]),
)
_ENTRIES = st.lists(_ENTRY, max_size=8)


@given(_ENTRIES, _ENTRIES, _ENTRIES)
@settings(max_examples=200, deadline=None)
def test_merge_is_commutative_associative_and_idempotent(
    first: list[Entry], second: list[Entry], third: list[Entry]
) -> None:
    both = merge_entries(first, second)
    assert both == merge_entries(second, first)
    assert merge_entries(both.values(), both.values()) == both
    assert merge_entries(both.values(), third) == merge_entries(first, merge_entries(second, third).values())


@given(_ENTRIES, _ENTRIES)
@settings(max_examples=200, deadline=None)
def test_news_are_just_what_changes_the_union(known: list[Entry], incoming: list[Entry]) -> None:
    before: Mapping[Identity, Entry] = merge_entries(known)
    after = merge_entries(known, incoming)
    news = merge_entries(find_news(before, incoming))
    assert news == {identity: entry for identity, entry in after.items() if before.get(identity) != entry}


def test_states_of_an_entry_win_over_each_other_in_order() -> None:
    alive = Entry(container_id="c", origin=PeerName(1), address=1, hostname="a.")
    buried = alive.buried(100.7)
    assert (buried.tombstone, buried.version) == (100, 1)
    revived = buried.revived()
    assert (revived.tombstone, revived.version) == (0, 2) and revived.revived() is revived
    assert alive.is_overruled_by(buried) and buried.is_overruled_by(revived)
    assert not revived.is_overruled_by(buried)
    assert not revived.is_overruled_by(revived)


def test_the_highest_version_is_never_passed() -> None:
    highest = (1 << 63) - 1
    entry = Entry(container_id="c", origin=PeerName(1), address=1, hostname="a.", version=highest)
    assert entry.buried(5).version == highest


@pytest.mark.parametrize(
    ("name", "is_inside"),
    [
        ("web.weave.local.", True),
        ("WEB.Weave.Local.", True),
        ("weave.local.", True),
        ("a.b.weave.local.", True),
        ("webweave.local.", False),
        ("web.weave.local", False),
        ("example.com.", False),
    ],
)
def test_names_are_in_the_domain_or_not(name: str, is_inside: bool) -> None:
    assert is_in_domain(name, "weave.LOCAL.") == is_inside


@given(st.lists(_ENTRIES, max_size=5))
@settings(max_examples=100, deadline=None)
def test_the_index_finds_exactly_the_living(batches: list[list[Entry]]) -> None:
    index: LivingIndex[str] = LivingIndex(lambda entry: entry.hostname)
    states: dict[Identity, Entry] = {}
    for batch in batches:
        changed = merge_entries(batch)
        states |= changed
        index.update(changed.values())
    for hostname in ("a.", "A."):
        living = {entry for entry in states.values() if entry.hostname == hostname and entry.is_alive}
        found = index.find(hostname)
        assert set(found) == living and len(found) == len(living)
        index.discard(found)
        assert index.find(hostname) == ()
