from __future__ import annotations

import random
from itertools import pairwise

import pytest

from tests.fakes.gossip import FakeWordChannel, words
from tests.fakes.network import features_of
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.mesh.events import (
    CloseConnection,
    DataPending,
    Dial,
    MeshEvent,
    PeersForgotten,
    RoutesChanged,
)
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.mesh.peers import Link, Peer
from weave_cli.router.mesh.targets import DirectTarget
from weave_cli.router.mesh.topology import decode_peers, encode_peers
from weave_cli.router.mesh.views import BroadcastRoute, UnicastRoute
from weave_cli.router.wire.messages import (
    Gossip,
    Tag,
    Unicast,
    decode_gossip,
    encode_gossip,
    encode_unicast,
)

US = PeerName(10)
UID = 1000


def new_node(*, limit: int = 0, discovery: bool = True, short_id: int | None = 5) -> MeshNode:
    return MeshNode(
        name=US,
        nickname="us",
        uid=UID,
        short_id=short_id,
        port=6783,
        discovery=discovery,
        connection_limit=limit,
        rng=random.Random(1),
        now=0.0,
    )


def events(node: MeshNode) -> list[MeshEvent]:
    found = []
    while (event := node.next_event()) is not None:
        found.append(event)
    return found


def add(
    node: MeshNode,
    conn_id: int,
    remote: int,
    *,
    now: float = 0.0,
    uid: int | None = None,
    connection_uid: int = 50,
    outbound: bool = False,
    address: str | None = None,
    short_id: int | None = None,
    established: bool = False,
) -> None:
    """A connection to peer `remote`, whose uid is its name unless told."""
    node.add_connection(
        conn_id,
        features_of(PeerName(remote), uid or remote, nickname=f"n{remote}", short_id=short_id),
        address=address or f"10.0.0.{remote % 256}:40000",
        outbound=outbound,
        connection_uid=connection_uid,
        now=now,
    )
    if established:
        node.connection_established(conn_id, now)


def described(name: int, *remotes: int, version: int = 1, established: bool = True) -> Peer:
    links = tuple(
        Link(remote=PeerName(r), address=f"10.0.0.{r % 256}:6783", outbound=True, established=established)
        for r in remotes
    )
    return Peer(name=PeerName(name), nickname=f"n{name}", uid=name, version=version, links=links)


def topology_message(source: int, *peers: Peer) -> bytes:
    return encode_gossip(Gossip(channel="topology", source=PeerName(source), data=encode_peers(peers)))


def gossip_message(source: int, data: bytes, channel: str = "words") -> bytes:
    return encode_gossip(Gossip(channel=channel, source=PeerName(source), data=data))


def sent_topology(node: MeshNode, conn_id: int, now: float = 0.0) -> dict[int, Peer]:
    """The peers that one pull tells of on the topology channel."""
    peers: dict[int, Peer] = {}
    for tag, payload in node.send_pending(conn_id, now):
        message = decode_gossip(payload)
        if tag == Tag.GOSSIP and message.channel == "topology":
            assert message.source == US
            peers.update({peer.name: peer for peer in decode_peers(message.data)})
    return peers


def our_version(node: MeshNode) -> int:
    return node.ourselves.version


# Introductions


def test_ourself_and_a_double_of_our_name_are_refused() -> None:
    node = new_node()
    with pytest.raises(RemoteProtocolError, match=r"^cannot connect to ourself$"):
        node.check_introduction(features_of(US, UID, nickname="us"), "10.0.0.1:1", False)
    name = "00:00:00:00:00:0a"
    with pytest.raises(RemoteProtocolError) as caught:
        node.check_introduction(features_of(US, 7, nickname="other"), "10.0.0.1:1", False)
    assert str(caught.value) == f'local "{name}(us)" and remote "{name}(other)" peer names collision'
    with pytest.raises(RemoteProtocolError):
        node.check_introduction(features_of(PeerName(0), 7), "10.0.0.1:1", False)


def test_discovered_address_must_lead_to_a_known_peer() -> None:
    node = new_node()
    with pytest.raises(RemoteProtocolError) as caught:
        node.check_introduction(features_of(PeerName(2), 2), "10.0.0.2:6783", True)
    assert str(caught.value) == "Found unknown remote name: 00:00:00:00:00:02 at 10.0.0.2:6783"
    node.check_introduction(features_of(PeerName(2), 2), "10.0.0.2:40000", False)
    node.connect([DirectTarget("h", "10.0.0.2")], replace=False, now=0)
    node.check_introduction(features_of(PeerName(2), 2), "10.0.0.2:6783", True)


def test_target_that_leads_to_ourself_is_never_tried_again() -> None:
    node = new_node()
    node.connect([DirectTarget("me", "10.0.0.1")], replace=False, now=0)
    with pytest.raises(RemoteProtocolError):
        node.check_introduction(features_of(US, UID), "10.0.0.1:6783", True)
    node.dial_failed("10.0.0.1:6783", "cannot connect to ourself", 0)
    (view,) = node.targets()
    assert (view.state, view.last_error, view.next_try) == ("failed", "cannot connect to ourself", None)


def test_refused_introduction_closes_the_connection() -> None:
    node = new_node()
    add(node, 1, 2, outbound=True)
    assert events(node) == [
        CloseConnection(1, "Found unknown remote name: 00:00:00:00:00:02 at 10.0.0.2:40000")
    ]
    assert node.connections() == () and not node.is_known(PeerName(2))


# Adding, duplicates, limit


def test_new_peer_is_known_and_our_version_grows_with_every_change() -> None:
    node = new_node()
    assert our_version(node) == 0
    add(node, 1, 2)
    assert our_version(node) == 1
    assert node.is_known(PeerName(2)) and node.nickname_of(PeerName(2)) == "n2"
    assert node.nickname_of(PeerName(3)) == "" and not node.is_known(PeerName(3))
    node.connection_established(1, 0)
    node.connection_established(1, 0)
    assert our_version(node) == 2
    node.connection_ended(1, "reset", 0)
    node.connection_ended(1, "reset", 0)
    assert our_version(node) == 3


def test_known_entry_is_used_unchanged() -> None:
    node = new_node()
    add(node, 1, 2)
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 10, 3), described(3, 2, version=9)), 0)
    add(node, 2, 3, uid=77)
    assert node.peers()[2] == described(3, 2, version=9)


@pytest.mark.parametrize(
    ("second_uid", "closed", "stays"), [(40, [1], [2]), (60, [2], [1]), (50, [1, 2], [])]
)
def test_lowest_connection_uid_wins(second_uid: int, closed: list[int], stays: list[int]) -> None:
    node = new_node()
    add(node, 1, 2, connection_uid=50)
    events(node)
    add(node, 2, 2, connection_uid=second_uid)
    reason = "Multiple connections to 00:00:00:00:00:02(n2) added to 00:00:00:00:00:0a(us)"
    closes = [event for event in events(node) if isinstance(event, CloseConnection)]
    assert closes == [CloseConnection(conn_id, reason) for conn_id in closed]
    assert [view.conn_id for view in node.connections()] == stays
    assert node.is_known(PeerName(2)) == bool(stays)


def test_connection_to_the_remote_before_its_restart_gives_way() -> None:
    node = new_node()
    add(node, 1, 2, uid=2, connection_uid=50)
    add(node, 2, 2, uid=3, connection_uid=60)
    assert [view.conn_id for view in node.connections()] == [2]


def test_replaced_connection_does_not_make_its_peer_forgotten() -> None:
    node = new_node()
    add(node, 1, 2, connection_uid=50)
    add(node, 2, 2, connection_uid=40)
    assert not any(isinstance(event, PeersForgotten) for event in events(node))


def test_connections_beyond_the_limit_are_refused() -> None:
    node = new_node(limit=1)
    add(node, 1, 2)
    add(node, 2, 3)
    assert CloseConnection(2, "Connection limit reached (1)") in events(node)
    add(node, 3, 2, connection_uid=40)
    assert [view.conn_id for view in node.connections()] == [3]


def test_nothing_is_dialled_at_the_limit() -> None:
    node = new_node(limit=1)
    add(node, 1, 2)
    node.connect([DirectTarget("h", "10.0.0.9")], replace=False, now=1)
    assert not any(isinstance(event, Dial) for event in events(node))
    (view,) = node.targets()
    assert (view.state, view.last_error) == ("failed", "Connection limit reached (1)")


def test_new_neighbour_gets_the_complete_state_of_every_channel() -> None:
    node = new_node()
    channel = FakeWordChannel(known={"a", "b"})
    node.open_channel("words", channel)
    add(node, 1, 2)
    assert DataPending(1) in events(node)
    messages = [decode_gossip(payload) for _, payload in node.send_pending(1, 0)]
    assert gossip_message(US, b"a\nb") in [encode_gossip(message) for message in messages]
    topology = next(message for message in messages if message.channel == "topology")
    assert [peer.name for peer in decode_peers(topology.data)] == [2, 10]


def meet_three_and_forget_pending(node: MeshNode) -> None:
    """Peers 2 and 3 know each other and us over established links."""
    add(node, 1, 2, established=True)
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 10, 3), described(3, 2)), 0)
    node.on_wake(1)
    node.send_pending(1, 1)


def test_second_way_to_a_known_peer_brings_no_complete_state() -> None:
    node = new_node()
    node.open_channel("words", FakeWordChannel(known={"a"}))
    meet_three_and_forget_pending(node)
    add(node, 2, 3, now=2)
    assert "words" not in {decode_gossip(payload).channel for _, payload in node.send_pending(2, 2)}


def test_peer_known_only_by_pending_links_gets_the_complete_state() -> None:
    node = new_node()
    node.open_channel("words", FakeWordChannel(known={"a"}))
    add(node, 1, 2, established=True)
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 10, 3, established=False), described(3)), 0)
    assert node.is_known(PeerName(3))
    node.on_wake(1)
    node.send_pending(1, 1)
    add(node, 2, 3, now=2)
    messages = [decode_gossip(payload) for _, payload in node.send_pending(2, 2)]
    assert "words" in {message.channel for message in messages}
    # But of the topology only the news: gossip reaches it by peer 2 already.
    (topology,) = [message for message in messages if message.channel == "topology"]
    assert {peer.name for peer in decode_peers(topology.data)} == {3, US}


def test_restarted_peer_gets_the_complete_state_though_it_is_known() -> None:
    node = new_node()
    node.open_channel("words", FakeWordChannel(known={"a"}))
    meet_three_and_forget_pending(node)
    add(node, 2, 3, uid=99, now=2)
    messages = [decode_gossip(payload) for _, payload in node.send_pending(2, 2)]
    (topology,) = [message for message in messages if message.channel == "topology"]
    assert "words" in {message.channel for message in messages}
    assert {peer.name for peer in decode_peers(topology.data)} == {2, 3, US}


# Updates


def test_first_change_is_told_at_once_and_the_next_ones_together() -> None:
    node = new_node()
    add(node, 1, 2)
    node.send_pending(1, 0)
    add(node, 2, 3, now=0.01)
    assert sent_topology(node, 1) == {}
    node.connection_established(1, 0.02)
    assert 0.02 < node.next_wake() <= 0.11
    node.on_wake(node.next_wake())
    told = sent_topology(node, 1)
    assert set(told) == {3, 10}
    assert told[US] == node.ourselves
    node.connection_established(2, 5.0)
    assert set(sent_topology(node, 1)) == {10}


def test_updates_of_a_large_mesh_keep_a_longer_distance() -> None:
    node = new_node()
    add(node, 1, 2)
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, *range(100, 200))), 0)
    node.on_wake(10)
    node.send_pending(1, 10)
    node.connection_established(1, 20.0)
    add(node, 2, 3, now=20.1)
    wakes = [20.1]
    while not sent_topology(node, 2, wakes[-1]).keys() & {3} and wakes[-1] < 25:
        node.send_pending(1, wakes[-1])
        wakes.append(max(node.next_wake(), wakes[-1] + 0.01))
        node.on_wake(wakes[-1])
    assert sent_topology(node, 1, wakes[-1]).keys() <= {3, 10}


def test_news_are_passed_on_but_not_what_was_known() -> None:
    node = new_node()
    add(node, 1, 2)
    add(node, 2, 3)
    node.on_wake(1)
    for conn_id in (1, 2):
        node.send_pending(conn_id, 1)
    update = topology_message(2, described(2, 10, 4), described(3, version=0))
    node.receive(1, Tag.GOSSIP, update, 10)
    assert set(sent_topology(node, 2, 10)) == {2}
    node.on_wake(20)
    node.send_pending(2, 20)
    node.receive(1, Tag.GOSSIP, update, 25)
    assert sent_topology(node, 2, 25) == {}


def test_what_a_peer_tells_its_neighbours_itself_is_told_to_others_only() -> None:
    node = new_node()
    for conn_id, remote in enumerate((2, 3, 4), 1):
        add(node, conn_id, remote)
    node.on_wake(1)
    for conn_id in (1, 2, 3):
        node.send_pending(conn_id, 1)
    # From itself: its neighbour 3 has heard it too.
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 10, 3, version=5)), 10)
    assert [set(sent_topology(node, conn_id, 10)) for conn_id in (1, 2, 3)] == [set(), set(), {2}]
    # Of others: nobody knows who has heard it.
    update = topology_message(2, described(2, 10, 3, 5, version=6), described(5, 2, 3, version=5))
    node.receive(1, Tag.GOSSIP, update, 20)
    assert [set(sent_topology(node, conn_id, 20)) for conn_id in (1, 2, 3)] == [{5}, {5}, {2, 5}]


def test_our_own_news_are_told_to_all_neighbours() -> None:
    node = new_node()
    remotes = range(11, 41)
    for remote in remotes:
        add(node, remote, remote)
    node.on_wake(5)
    for remote in remotes:
        node.send_pending(remote, 5)
    node.connection_established(11, 10)
    assert all(10 in sent_topology(node, remote, 10) for remote in remotes)


def test_topology_broadcast_is_passed_on_as_such() -> None:
    node = new_node()
    add(node, 1, 2)
    add(node, 2, 3)
    node.receive(2, Tag.GOSSIP, topology_message(3, described(3, 10)), 0)
    node.on_wake(1)
    node.send_pending(2, 1)
    node.receive(1, Tag.BROADCAST, topology_message(2, described(2, 10, version=4)), 10)
    ((tag, payload),) = node.send_pending(2, 10)
    message = decode_gossip(payload)
    assert (tag, message.source) == (Tag.BROADCAST, 2)
    assert decode_peers(message.data) == [described(2, 10, version=4)]


def test_old_incarnation_of_ourselves_is_outrun() -> None:
    node = new_node()
    add(node, 1, 2)
    old = Peer(name=US, nickname="us", uid=999, version=40)
    node.receive(1, Tag.GOSSIP, topology_message(2, old), 10)
    assert our_version(node) == 41
    assert sent_topology(node, 1, 10)[US].version == 41


def test_short_id_of_a_lower_name_is_given_up() -> None:
    node = new_node(short_id=5)
    add(node, 1, 2, short_id=5)
    ours = node.ourselves
    assert ours.short_id not in (None, 5) and ours.version == 2
    node = new_node(short_id=5)
    add(node, 1, 20, short_id=5)
    assert node.ourselves.short_id == 5


def test_periodic_gossip_tells_everything_every_thirty_seconds() -> None:
    node = new_node()
    node.open_channel("words", FakeWordChannel(known={"a"}))
    add(node, 1, 2)
    node.on_wake(1)
    node.send_pending(1, 1)
    now, rounds = 1.0, []
    while now < 95:
        now = node.next_wake()
        node.on_wake(now)
        if any(decode_gossip(payload).channel == "words" for _, payload in node.send_pending(1, now)):
            rounds.append(now)
    assert len(rounds) >= 4
    assert all(later - earlier == pytest.approx(30) for earlier, later in pairwise(rounds))


# Endings


def test_peers_behind_a_lost_connection_are_forgotten() -> None:
    node = new_node()
    add(node, 1, 2)
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 10, 3)), 0)
    events(node)
    node.connection_ended(1, "reset", 1)
    assert PeersForgotten(
        frozenset({PeerName(2), PeerName(3)}), {PeerName(2): "n2", PeerName(3): ""}
    ) in events(node)
    assert [peer.name for peer in node.peers()] == [US]


def test_peers_that_a_neighbour_no_longer_lists_are_forgotten_within_a_second() -> None:
    node = new_node()
    add(node, 1, 2)
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 10, 3)), 0)
    events(node)
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 10, version=2)), 0.5)
    while node.next_wake() < 1.5:
        node.on_wake(node.next_wake())
    assert any(isinstance(event, PeersForgotten) for event in events(node))
    assert not node.is_known(PeerName(3))


@pytest.mark.parametrize(
    ("tag", "payload"),
    [
        (Tag.GOSSIP, b"\x01garbage"),
        (Tag.BROADCAST, b""),
        (Tag.UNICAST, b"\xff"),
        (Tag.GOSSIP, gossip_message(2, b"garbage", "topology")),
        (Tag.GOSSIP, gossip_message(2, b"\xff")),
        (Tag.BROADCAST, gossip_message(3, b"\xff")),
        (
            Tag.UNICAST,
            encode_unicast(Unicast(channel="words", source=PeerName(3), destination=US, data=b"\xff")),
        ),
        (
            Tag.UNICAST,
            encode_unicast(Unicast(channel="topology", source=PeerName(3), destination=US, data=b"")),
        ),
    ],
)
def test_bad_message_ends_the_connection_that_brought_it_and_goes_nowhere(tag: int, payload: bytes) -> None:
    node = new_node()
    node.open_channel("words", FakeWordChannel())
    add(node, 1, 2)
    add(node, 2, 3)
    node.on_wake(1)
    node.send_pending(2, 1)
    events(node)
    node.receive(1, tag, payload, 1)
    assert [event.conn_id for event in events(node) if isinstance(event, CloseConnection)] == [1]
    assert [view.conn_id for view in node.connections()] == [2]
    node.on_wake(2)
    assert [decode_gossip(payload).channel for _, payload in node.send_pending(2, 2)] == ["topology"]
    node.connection_ended(1, "closed", 3)
    node.receive(1, tag, payload, 3)
    assert node.send_pending(1, 3) == []


# Views and events


def test_views_show_connections_targets_and_routes() -> None:
    node = new_node()
    node.connect([DirectTarget("b", "10.0.0.8"), DirectTarget("a", "10.0.0.9:1")], replace=False, now=0)
    add(node, 1, 2, established=True)
    add(node, 2, 3)
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 10)), 0)
    shown = [
        (view.conn_id, view.address, view.remote, view.nickname, view.state) for view in node.connections()
    ]
    assert shown == [
        (1, "10.0.0.2:40000", 2, "n2", "established"),
        (2, "10.0.0.3:40000", 3, "n3", "pending"),
    ]
    assert node.direct_targets() == ("b", "a")
    assert {view.address: view.state for view in node.targets()} == {
        "10.0.0.8:6783": "connecting",
        "10.0.0.9:1": "connecting",
    }
    assert [peer.name for peer in node.peers()] == [US, 2, 3]
    assert node.unicast_routes() == (
        UnicastRoute(destination=PeerName(2), via=PeerName(2)),
        UnicastRoute(destination=US, via=PeerName(0)),
    )
    assert BroadcastRoute(source=US, via=(PeerName(2),)) in node.broadcast_routes()


def test_forget_and_replace_change_the_direct_targets() -> None:
    node = new_node()
    node.connect([DirectTarget("a", "10.0.0.8"), DirectTarget("b", "10.0.0.9")], replace=False, now=0)
    node.forget(["a", "unknown"], 1)
    assert node.direct_targets() == ("b",)
    node.connect([DirectTarget("c", "10.0.0.7")], replace=True, now=2)
    assert node.direct_targets() == ("c",)
    node.dial_failed("10.0.0.8:6783", "refused", 3)
    node.dial_failed("10.0.0.9:6783", "refused", 3.2)
    node.on_wake(3.4)
    assert [view.address for view in node.targets()] == ["10.0.0.7:6783"]


def test_peers_are_discovered_only_when_asked_to() -> None:
    for discovery in (True, False):
        node = new_node(discovery=discovery)
        add(node, 1, 2)
        node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 3)), 1)
        assert (Dial("10.0.0.3:6783") in events(node)) == discovery


def test_of_two_peers_that_hear_of_each_other_the_higher_dials_at_once() -> None:
    node = new_node()
    add(node, 1, 2)
    node.receive(1, Tag.GOSSIP, topology_message(2, described(2, 3, 11)), 1)
    assert Dial("10.0.0.3:6783") in events(node)
    node.on_wake(2.9)
    assert not events(node)
    node.on_wake(5.5)
    assert Dial("10.0.0.11:6783") in events(node)


def test_route_changes_are_reported_at_most_every_tenth_of_a_second() -> None:
    node = new_node()
    add(node, 1, 2)
    node.connection_established(1, 0.01)
    add(node, 2, 3, now=0.02)
    assert events(node).count(RoutesChanged()) == 1
    node.on_wake(0.11)
    node.on_wake(0.5)
    assert events(node).count(RoutesChanged()) == 1


# Channels


def test_channel_speaks_along_the_routes() -> None:
    node = new_node()
    channel = node.open_channel("words", FakeWordChannel())
    meet_three_and_forget_pending(node)
    assert channel.unicast(PeerName(3), b"x")
    assert not channel.unicast(PeerName(99), b"x")
    assert not channel.unicast(US, b"x")
    channel.broadcast(words("b"))
    channel.gossip(words("g"))
    assert node.send_pending(1, 2) == [
        (5, encode_unicast(Unicast(channel="words", source=US, destination=PeerName(3), data=b"x"))),
        (4, gossip_message(US, b"g")),
        (6, gossip_message(US, b"b")),
    ]
