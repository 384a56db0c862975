from __future__ import annotations

import random
from typing import Any

import pytest

from tests.vectors.load import load
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, format_peer_name, parse_peer_name
from weave_cli.router.mesh.ourself import Ourself
from weave_cli.router.mesh.peers import HIGHEST_VERSION, MOST_PEERS, Link, Peer, PeerTable
from weave_cli.router.mesh.topology import decode_peers

VECTORS = load("topology-apply")["vectors"]


def link_to(remote: int) -> Link:
    return Link(remote=PeerName(remote), address="10.0.0.9:6783", outbound=True, established=True)


def shown(table: PeerTable) -> list[dict[str, Any]]:
    return [
        {
            "Name": format_peer_name(peer.name),
            "NickName": peer.nickname,
            "UID": peer.uid,
            "Version": peer.version,
            "ShortID": peer.short_id,
            "Connections": [format_peer_name(link.remote) for link in peer.links],
        }
        for peer in sorted(table, key=lambda peer: peer.name)
    ]


def expected_table(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A table of the vectors in the form of `shown`: without HasShortID the number means nothing."""
    rows = [{**row, "ShortID": row["ShortID"] if row["HasShortID"] else None} for row in table]
    for row in rows:
        del row["HasShortID"]
    return rows


class Replay:
    """Does the steps of a vector."""

    def __init__(self, described: dict[str, Any]) -> None:
        us = Peer(
            name=parse_peer_name(described["Name"]),
            nickname=described["NickName"],
            uid=described["UID"],
            short_id=described["ShortID"],
        )
        self.table = PeerTable(us)
        self.ourself = Ourself(us, self.table, connection_limit=0, rng=random.Random(1))

    def step(self, step: dict[str, Any]) -> None:
        if added := step.get("local_connection_added"):
            us = self.ourself.peer
            link = Link(
                remote=parse_peer_name(added["to"]),
                address="10.0.0.2:6783",
                outbound=added["outbound"],
                established=added["established"],
            )
            self.table.put(
                Peer(name=us.name, nickname="self", uid=us.uid, version=1, short_id=1, links=(link,))
            )
        if "update" in step:
            self.update(bytes.fromhex(step["update"]["hex"]), step["result"])
        if "removed_by_gc" in step:
            lost = sorted(format_peer_name(peer.name) for peer in self.table.collect())
            assert lost == step["removed_by_gc"]

    def update(self, data: bytes, result: dict[str, Any]) -> None:
        if result["Err"]:
            with pytest.raises(RemoteProtocolError):
                decode_peers(data)
            return
        applied = self.table.apply(decode_peers(data))
        if applied.stale_self is not None:
            self.ourself.jump_over(applied.stale_self)
        self.ourself.settle_short_id()
        assert sorted(map(format_peer_name, applied.received)) == result["Received"]
        assert sorted(map(format_peer_name, applied.improved)) == result["Improved"]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_updates_do_what_they_do_at_the_go_routers(vector: dict[str, Any]) -> None:
    replay = Replay(vector["self"])
    for step in vector["steps"]:
        replay.step(step)
        actual, expected = shown(replay.table), expected_table(step["table"])
        if "LOWER" in vector["name"]:
            # The new short id is drawn at random, at their side as at ours.
            assert actual[1].pop("ShortID") not in (1, None)
            expected[1].pop("ShortID")
        assert actual == expected


def test_version_that_cannot_be_outrun_is_ignored() -> None:
    table = PeerTable(Peer(name=PeerName(1), uid=10))
    applied = table.apply([Peer(name=PeerName(1), uid=9, version=HIGHEST_VERSION)])
    assert applied.stale_self is None


def test_highest_of_several_old_versions_counts() -> None:
    table = PeerTable(Peer(name=PeerName(1), uid=10, version=3))
    old = [Peer(name=PeerName(1), uid=9, version=version) for version in (3, 8, 5)]
    assert table.apply(old).stale_self == 8


def test_peers_known_only_through_each_other_are_collected() -> None:
    table = PeerTable(Peer(name=PeerName(1), links=(link_to(2),)))
    table.apply(
        [
            Peer(name=PeerName(2), version=1, links=(link_to(1),)),
            Peer(name=PeerName(3), version=1, links=(link_to(4), link_to(1))),
            Peer(name=PeerName(4), version=1, links=(link_to(3),)),
        ]
    )
    assert {peer.name for peer in table.collect()} == {3, 4}
    assert table.names == {1, 2}


def test_lowest_name_owns_a_short_id() -> None:
    table = PeerTable(Peer(name=PeerName(5), short_id=7))
    table.apply([Peer(name=PeerName(6), short_id=7, version=1)])
    assert table.owner_of_short_id(7) == 5
    table.apply([Peer(name=PeerName(4), short_id=7, version=1)])
    assert table.owner_of_short_id(7) == 4
    assert table.owner_of_short_id(8) is None


def test_colliding_short_id_is_kept_while_all_are_taken_and_left_when_one_is_free() -> None:
    us = Peer(name=PeerName(10_000), short_id=7)
    table = PeerTable(us)
    ourself = Ourself(us, table, connection_limit=0, rng=random.Random(1))
    table.apply([Peer(name=PeerName(n + 1), short_id=n, version=1) for n in range(4096)])
    assert not ourself.settle_short_id()
    assert ourself.peer == us
    table.put(Peer(name=PeerName(100), version=2, short_id=None))
    assert ourself.settle_short_id()
    assert (ourself.peer.short_id, ourself.peer.version) == (99, 1)
    assert not ourself.settle_short_id()


def test_peer_without_short_id_takes_none() -> None:
    us = Peer(name=PeerName(9))
    table = PeerTable(us)
    table.apply([Peer(name=PeerName(1), short_id=0, version=1)])
    assert not Ourself(us, table, connection_limit=0, rng=random.Random(1)).settle_short_id()


def test_update_with_more_peers_than_a_mesh_can_have_changes_nothing() -> None:
    table = PeerTable(Peer(name=PeerName(1), uid=1))

    def crowd(first: int, count: int) -> Peer:
        links = tuple(
            Link(remote=PeerName(name), address="", outbound=True, established=True)
            for name in range(first, first + count)
        )
        return Peer(name=PeerName(2), uid=2, version=first, links=links)

    table.apply([crowd(10, MOST_PEERS - 100)])
    before = table.names
    with pytest.raises(RemoteProtocolError, match="topology update with 200 new peers"):
        table.apply([crowd(100_000, 200)])
    assert table.names == before and table[PeerName(2)].version == 10
    table.apply([crowd(100_000, 50)])
    assert len(table) == len(before) + 50
