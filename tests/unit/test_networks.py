"""Channel `networks`: who has which realm, told, merged, forgotten, and refused when malformed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.directory import FakeDirectory
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.mesh.gossip import GossipData
from weave_cli.router.networks.channel import NetworkChannel
from weave_cli.router.networks.definitions import LARGEST_VERSION, Definition
from weave_cli.router.networks.news import NetworkNews, Presence, decode_news

US, A, B = (PeerName(0x7A0000000001 + number) for number in range(3))
NOW = 1000.0


class Heard:
    """Plays Channel: what was broadcast."""

    def __init__(self) -> None:
        self.said: list[NetworkNews] = []

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        raise AssertionError("nothing is for one peer alone")

    def broadcast(self, data: GossipData) -> None:
        self.said.append(decode_news(data.encode(NOW)))

    def gossip(self, data: GossipData) -> None:
        raise AssertionError("changes are for everybody")


class Node:
    """A channel whose peers A and B are known."""

    def __init__(self) -> None:
        self.changes = 0
        self.heard = Heard()
        self.directory = FakeDirectory({US: "us", A: "a", B: "b"})
        self.channel = NetworkChannel(US, self.directory, self._count)
        self.channel.attach(self.heard)

    def _count(self) -> None:
        self.changes += 1


def news(**rows: tuple[int, set[int]]) -> bytes:
    names = {"us": US, "a": A, "b": B, "stranger": PeerName(99)}
    return NetworkNews(
        {names[key]: Presence(version, frozenset(vnis)) for key, (version, vnis) in rows.items()}
    ).encode(NOW)


@pytest.fixture
def node() -> Node:
    return Node()


def test_our_realms_are_told_once_for_each_change(node: Node) -> None:
    node.channel.set_ours([], NOW)
    node.channel.set_ours([7], NOW)
    node.channel.set_ours([7], NOW + 1)
    node.channel.set_ours([7, 8], NOW)
    assert [said.peers[US].vnis for said in node.heard.said] == [{7}, {7, 8}]
    first, second = (said.peers[US].version for said in node.heard.said)
    assert second > first


def test_what_others_have_is_known_and_passed_on_once(node: Node) -> None:
    passed_on = node.channel.on_gossip(news(a=(1, {7}), b=(5, {7, 8})), NOW)
    assert passed_on is not None and set(passed_on.peers) == {A, B}
    assert node.channel.members() == {7: {A, B}, 8: {B}}
    assert node.channel.on_broadcast(A, news(a=(1, {9}), b=(4, set())), NOW) is None
    passed_on = node.channel.on_broadcast(A, news(a=(2, set()), b=(4, set())), NOW)
    assert passed_on is not None and set(passed_on.peers) == {A}
    assert node.channel.members() == {7: {B}, 8: {B}}
    assert node.changes == 2


def test_strangers_are_not_believed_and_not_passed_on(node: Node) -> None:
    assert node.channel.on_gossip(news(stranger=(1, {7})), NOW) is None
    assert node.channel.members() == {} and node.channel.complete_state(NOW) is None


def test_peers_that_left_are_forgotten(node: Node) -> None:
    node.channel.on_gossip(news(a=(1, {7})), NOW)
    node.channel.peers_forgotten([A, B])
    assert node.channel.members() == {}
    assert node.changes == 2


def test_news_of_an_earlier_life_of_ours_are_overtaken(node: Node) -> None:
    node.channel.set_ours([7], NOW)
    node.channel.on_gossip(news(us=(10**15, {1, 2})), NOW)
    assert node.heard.said[-1].peers[US] == Presence(10**15 + 1, frozenset({7}))
    fresh = Node()
    fresh.channel.on_gossip(news(us=(10**15, {1, 2})), NOW)
    assert fresh.heard.said[-1].peers[US] == Presence(10**15 + 1, frozenset())


def test_the_highest_version_there_is_leaves_us_speaking(node: Node) -> None:
    last = Definition(version=LARGEST_VERSION, subnet="10.32.8.0/24")
    node.channel.set_ours([7], NOW)
    node.channel.on_gossip(news(us=(LARGEST_VERSION, {1})), NOW)
    node.channel.on_gossip(NetworkNews({}, {"shop": last}).encode(NOW), NOW)
    node.channel.set_ours([7, 8], NOW)
    node.channel.define("shop", replace(last, is_removed=True), NOW)
    assert node.channel.holders(8) == {US}
    for said in node.heard.said:
        assert decode_news(said.encode(NOW)) == said, "nobody hangs up because of it"


def test_what_waits_is_merged_by_version() -> None:
    older, newer = Presence(1, frozenset({1})), Presence(2, frozenset({2}))
    for one, other in (({A: older}, {A: newer, B: older}), ({A: newer, B: older}, {A: older})):
        assert NetworkNews(one).merge(NetworkNews(other)).peers == {A: newer, B: older}


def test_what_one_message_does_not_hold_goes_in_several() -> None:
    vnis = frozenset(range(60_000))
    whole = NetworkNews({PeerName(number): Presence(1, vnis) for number in range(1, 21)})
    parts = whole.split()
    assert all(len(part.encode(NOW)) < 8 << 20 for part in parts) and len(parts) > 1
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert merged == whole
    assert NetworkNews({A: Presence(1, vnis)}).split() == (NetworkNews({A: Presence(1, vnis)}),)


_ROWS = st.dictionaries(
    st.integers(1, 2**48 - 1).map(PeerName),
    st.builds(Presence, st.integers(0, 2**63 - 1), st.frozensets(st.integers(0, 2**24 - 1))),
)


@given(_ROWS)
def test_news_survive_the_way(rows: dict[PeerName, Presence]) -> None:
    assert decode_news(NetworkNews(rows).encode(NOW)).peers == rows


@given(_ROWS, _ROWS, _ROWS)
def test_whatever_the_order_all_come_to_the_same(
    one: dict[PeerName, Presence], two: dict[PeerName, Presence], three: dict[PeerName, Presence]
) -> None:
    news = [NetworkNews(rows) for rows in (one, two, three)]
    left = news[0].merge(news[1]).merge(news[2])
    right = news[0].merge(news[1].merge(news[2]))
    assert left == right == left.merge(news[1])
    assert {name: row.version for name, row in left.peers.items()} == {
        name: row.version for name, row in news[2].merge(news[1]).merge(news[0]).peers.items()
    }


def test_what_a_later_version_adds_is_ignored() -> None:
    assert decode_news(b'{"peers":{},"more":[1]}').peers == {}
    assert decode_news(b"{}").peers == {}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=60) | _JSON.map(lambda value: json.dumps({"peers": value}).encode()))
def test_malformed_news_are_a_protocol_error_and_nothing_else(octets: bytes) -> None:
    try:
        decode_news(octets)
    except RemoteProtocolError:
        pass


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"peers":[]}',
        '{"peers":{"7a4200000001":[1]}}',
        '{"peers":{"7a4200000001":[-1,[]]}}',
        '{"peers":{"7a4200000001":[true,[]]}}',
        '{"peers":{"7a4200000001":[1,["b198f"]]}}',
        '{"peers":{"7a4200000001":[1,[17]]}}',
        '{"peers":{"000000000000":[1,[]]}}',
        '{"peers":{"7A4200000001":[1,[]]}}',
        '{"peers":' + "[" * 100_000 + "}",
    ],
)
def test_each_fault_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match="news of networks"):
        decode_news(text.encode())


def test_definitions_reach_everybody_and_the_newest_holds(node: Node) -> None:
    shop = Definition(version=0, subnet="10.33.1.0/24")
    node.channel.define("shop", shop, NOW)
    told = node.heard.said[-1].networks["shop"]
    assert told.version == NOW * 1000
    older, newer = replace(told, version=1), replace(told, version=told.version + 1, is_removed=True)
    assert node.channel.on_gossip(NetworkNews({}, {"shop": older}).encode(NOW), NOW) is None
    passed_on = node.channel.on_gossip(NetworkNews({}, {"shop": newer}).encode(NOW), NOW)
    assert passed_on is not None and passed_on.networks == {"shop": newer}
    assert node.channel.networks == {"shop": newer}
    # Made again: above the tombstone, whatever the clock says.
    node.channel.define("shop", shop, NOW - 500)
    assert node.channel.networks["shop"].version == newer.version + 1


@pytest.mark.parametrize(
    "change",
    [
        {"version": -1},
        {"version": True},
        {"subnet": "10.33.1.0"},
        {"subnet": 7},
        {"options": []},
        {"options": {"k": "v" * 65}},
        {"options": {"k": 7}},
        {"options": {str(number): "" for number in range(9)}},
        {"internal": 0},
        {"removed": None},
    ],
)
def test_malformed_definitions_are_refused(change: dict[str, object]) -> None:
    row = {"version": 1, "subnet": "10.33.1.0/24", "options": {}, "internal": False, "removed": False}
    assert decode_news(json.dumps({"networks": {"shop": row}}).encode()).networks
    for networks in ({"shop": row | change}, {"two words": row}, {"": row}, [row]):
        with pytest.raises(RemoteProtocolError, match="news of networks"):
            decode_news(json.dumps({"networks": networks}).encode())
