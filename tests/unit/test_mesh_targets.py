from __future__ import annotations

import random
from collections.abc import Collection

import pytest

from weave_cli.names import PeerName
from weave_cli.router.mesh.discovery import discovered, wanted_direct
from weave_cli.router.mesh.ourself import LocalConnection
from weave_cli.router.mesh.outbox import Outbox
from weave_cli.router.mesh.peers import Link, Peer, PeerTable
from weave_cli.router.mesh.targets import DirectTarget, Targets

A = "10.0.0.1:6783"
B = "10.0.0.2:6783"
NOBODY = frozenset[PeerName]()


def due(
    targets: Targets,
    now: float,
    wanted: Collection[str] = (A,),
    *,
    direct: Collection[str] = (),
    connected: Collection[PeerName] = NOBODY,
) -> list[str]:
    return targets.due(wanted, direct, connected.__contains__, now)


def local(remote: int, address: str, *, outbound: bool) -> LocalConnection:
    return LocalConnection(
        conn_id=remote,
        remote=PeerName(remote),
        remote_uid=1,
        address=address,
        outbound=outbound,
        uid=1,
        outbox=Outbox(PeerName(1), lambda: None),
    )


def test_new_target_is_dialled_at_once_and_only_once() -> None:
    targets = Targets(random.Random(0))
    assert due(targets, 5) == [A]
    assert due(targets, 6) == []
    assert [view.state for view in targets.views()] == ["connecting"]
    assert targets.next_try is None


def test_whoever_should_dial_us_is_given_time_for_it() -> None:
    targets = Targets(random.Random(0))
    assert targets.due((A, B), (), NOBODY.__contains__, 5, patient={A}) == [B]
    assert 7 <= (targets.next_try or 0) <= 9.2
    assert targets.due((A, B), (), NOBODY.__contains__, 9.3, patient={A}) == [A]


def test_failures_wait_longer_each_time_up_to_a_minute() -> None:
    targets = Targets(random.Random(0))
    now, interval = 0.0, 2.0
    for _ in range(20):
        assert due(targets, now) == [A]
        targets.failed(A, "refused", now)
        assert due(targets, now) == []
        wait = (targets.next_try or 0) - now
        assert interval / 2 <= wait <= interval * 1.5
        interval = min(interval * 1.5, 60)
        now += wait
    assert interval == 60


def test_views_tell_state_error_and_next_try() -> None:
    targets = Targets(random.Random(0))
    due(targets, 0)
    targets.failed(A, "refused", 0)
    due(targets, 0)
    (view,) = targets.views()
    assert (view.address, view.state, view.last_error) == (A, "failed", "refused")
    assert view.next_try == targets.next_try
    assert due(targets, 10) == [A]
    (view,) = targets.views()
    assert (view.state, view.last_error, view.next_try) == ("retrying", "refused", None)
    targets.connected(A, PeerName(2))
    assert targets.views() == ()


def test_connection_that_was_up_for_a_minute_is_dialled_again_at_once() -> None:
    targets = Targets(random.Random(0))
    due(targets, 0)
    targets.failed(A, "refused", 0)
    due(targets, 10)
    targets.connected(A, PeerName(2))
    targets.ended(A, "reset", 71)
    assert due(targets, 71) == [A]
    targets.failed(A, "refused", 71)
    due(targets, 71)
    assert (targets.next_try or 0) <= 71 + 3


def test_connection_that_ended_soon_counts_as_a_failure() -> None:
    targets = Targets(random.Random(0))
    due(targets, 0)
    targets.connected(A, PeerName(2))
    targets.ended(A, "reset", 60)
    assert due(targets, 60) == []
    assert 61 <= (targets.next_try or 0) <= 63


def test_target_no_longer_wanted_is_forgotten_unless_direct() -> None:
    targets = Targets(random.Random(0))
    due(targets, 0, (A, B))
    for address in (A, B):
        targets.failed(address, "refused", 0)
    due(targets, 0, (), direct=(A,))
    assert targets.views() == ()
    assert due(targets, 0.5, (A, B), direct=(A,)) == [B]
    assert [(view.address, view.state) for view in targets.views()] == [(A, "failed"), (B, "connecting")]


def test_attempt_that_is_no_longer_wanted_ends_by_itself() -> None:
    targets = Targets(random.Random(0))
    due(targets, 0)
    assert due(targets, 1, ()) == []
    assert len(targets.views()) == 1
    targets.failed(A, "refused", 2)
    due(targets, 2, ())
    assert targets.views() == ()


def test_hopeless_target_is_left_alone_until_the_user_asks_again() -> None:
    targets = Targets(random.Random(0))
    due(targets, 0)
    targets.give_up(A, "cannot connect to ourself")
    targets.failed(A, "cannot connect to ourself", 0)
    assert due(targets, 1e9) == []
    (view,) = targets.views()
    assert (view.state, view.last_error, view.next_try) == ("failed", "cannot connect to ourself", None)
    targets.try_now([A], 1e9)
    assert due(targets, 1e9) == [A]
    targets.failed(A, "refused", 1e9)
    due(targets, 1e9)
    assert targets.next_try is not None


def test_try_now_leaves_a_running_attempt_alone() -> None:
    targets = Targets(random.Random(0))
    due(targets, 0)
    targets.try_now([A, B], 1)
    assert due(targets, 1) == []


def test_target_that_leads_to_a_connected_peer_waits_until_that_is_gone() -> None:
    targets = Targets(random.Random(0))
    due(targets, 0)
    targets.refused(A, PeerName(2), "Multiple connections", 0)
    assert due(targets, 100, connected={PeerName(2)}) == []
    assert targets.views() == ()
    assert due(targets, 101) == [A]


def test_results_for_unknown_addresses_are_ignored() -> None:
    targets = Targets(random.Random(0))
    targets.failed(A, "refused", 0)
    targets.connected(A, PeerName(2))
    targets.ended(A, "reset", 0)
    targets.refused(A, PeerName(2), "limit", 0)
    targets.give_up(A, "ourself")
    assert targets.views() == ()


@pytest.mark.parametrize(
    ("address", "dialled"),
    [("10.0.0.1", "10.0.0.1:7000"), ("10.0.0.1:6783", A), ("[::1]", "[::1]:7000"), ("[::1]:5", "[::1]:5")],
)
def test_addresses_without_port_get_ours(address: str, dialled: str) -> None:
    assert DirectTarget("host", address).dialled(7000) == dialled


def test_direct_peer_without_port_is_not_dialled_while_it_has_dialled_us() -> None:
    direct = [
        DirectTarget("a", "10.0.0.1"),
        DirectTarget("b", "10.0.0.2:6783"),
        DirectTarget("c", "10.0.0.3"),
    ]
    connections = [
        local(2, "10.0.0.1:40000", outbound=False),
        local(3, "10.0.0.2:40000", outbound=False),
        local(4, "10.0.0.3:6783", outbound=True),
    ]
    assert wanted_direct(direct, connections, 6783) == {B, "10.0.0.3:6783"}


def found(links: list[Link], *, connected: tuple[int, ...] = ()) -> list[tuple[str, int]]:
    table = PeerTable(Peer(name=PeerName(1)))
    table.apply([Peer(name=PeerName(2), version=1, links=tuple(links))])
    connections = [local(remote, "10.0.0.9:1", outbound=True) for remote in connected]
    return sorted(discovered(PeerName(1), table, connections, 7000))


def test_discovery_takes_dialled_addresses_and_hosts_of_inbound_ones() -> None:
    links = [
        Link(remote=PeerName(3), address="10.0.0.3:6000", outbound=True, established=True),
        Link(remote=PeerName(4), address="10.0.0.4:41234", outbound=False, established=False),
        Link(remote=PeerName(1), address="10.0.0.5:6783", outbound=True, established=True),
        Link(remote=PeerName(6), address="10.0.0.6:6783", outbound=True, established=True),
    ]
    assert found(links, connected=(2, 6)) == [("10.0.0.3:6000", 3), ("10.0.0.4:7000", 4)]


@pytest.mark.parametrize(
    "address",
    ["", "10.0.0.3", ":1", "10.0.0.3:", "10.0.0.3:x", "a b:1", "x\n:1", "h:123456", "[fe80::1%eth0]:6783"],
)
def test_discovery_dials_nothing_that_is_no_address(address: str) -> None:
    assert found([Link(remote=PeerName(3), address=address, outbound=True, established=True)]) == []
