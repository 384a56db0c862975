"""The laws of merging descriptions of peers: in whatever order updates come, tables end up alike."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from weave_cli.names import PeerName
from weave_cli.router.mesh.peers import HIGHEST_VERSION, Link, Peer, PeerTable
from weave_cli.router.mesh.topology import decode_peers, encode_peers

US = PeerName(9)
OURSELVES = Peer(name=US, nickname="us", uid=50, version=3)


def described(name: int, version: int, uid: int, *, has_short_id: bool = True) -> Peer:
    """What a peer says of itself in one version of one of its lives: always the same."""
    links = tuple(
        Link(
            remote=PeerName(remote), address=f"10.0.0.{remote}:6783", outbound=True, established=bool(uid & 1)
        )
        for remote in range(1, 9)
        if (name * 31 + version * 7 + uid) >> (remote % 5) & 1 and remote != name
    )
    return Peer(
        name=PeerName(name),
        nickname=f"host{name}-{version}",
        uid=uid,
        version=version,
        # A peer without fast datapath is told of without, by routers that knew it before it had one.
        short_id=name * 8 + version if has_short_id else None,
        links=links,
    )


PEERS = st.builds(
    described,
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 3),
    has_short_id=st.booleans(),
)
UPDATES = st.lists(st.lists(PEERS, max_size=5), max_size=5)


def table_of(*updates: list[Peer]) -> PeerTable:
    table = PeerTable(OURSELVES)
    for update in updates:
        table.apply(update)
    return table


def content(table: PeerTable) -> set[Peer]:
    return {peer for peer in table}


@given(UPDATES, st.randoms(use_true_random=False))
def test_order_of_updates_makes_no_difference(updates: list[list[Peer]], rng: random.Random) -> None:
    shuffled = list(updates)
    rng.shuffle(shuffled)
    one, other = table_of(*updates), table_of(*shuffled)
    assert one.names == other.names
    assert all(one[name] == other[name] for name in one.names)


@given(UPDATES)
def test_all_at_once_is_the_same_as_one_after_the_other(updates: list[list[Peer]]) -> None:
    together = table_of([peer for update in updates for peer in update])
    assert content(together) == content(table_of(*updates))


@given(UPDATES)
def test_what_is_known_already_is_no_news(updates: list[list[Peer]]) -> None:
    table = table_of(*updates)
    before = content(table)
    for update in updates:
        assert table.apply(update).improved == frozenset()
    assert content(table) == before


@given(UPDATES)
def test_news_are_the_peers_whose_description_changed_and_none_grows_older(
    updates: list[list[Peer]],
) -> None:
    table = PeerTable(OURSELVES)
    for update in updates:
        before = {peer.name: peer for peer in table}
        applied = table.apply(update)
        assert applied.received == {peer.name for peer in update}
        changed = {name for name in table.names if table[name] != before.get(name)}
        placeholders = {name for name in table.names - before.keys() if table[name] == Peer(name=name)}
        assert applied.improved == changed - placeholders
        for name, peer in before.items():
            assert (table[name].version, table[name].uid) >= (peer.version, peer.uid)


@given(UPDATES)
def test_two_tables_that_tell_each_other_everything_agree(updates: list[list[Peer]]) -> None:
    one, other = table_of(*updates[::2]), table_of(*updates[1::2])
    for _ in range(2):
        other.apply(decode_peers(encode_peers(one)))
        one.apply(decode_peers(encode_peers(other)))
    assert content(one) == content(other)


@given(st.integers(0, HIGHEST_VERSION), st.integers(0, 100))
def test_nobody_else_changes_our_own_entry(version: int, uid: int) -> None:
    table = PeerTable(OURSELVES)
    applied = table.apply([replace(described(1, 1, 1), name=US, version=version, uid=uid)])
    assert table[US] == OURSELVES
    is_old_self = uid != OURSELVES.uid and OURSELVES.version <= version < HIGHEST_VERSION
    assert applied.stale_self == (version if is_old_self else None)
