"""The liveness of a vxlan path: two ends joined by hand, so that loss and silence are one line each."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from weave_cli.names import PeerName
from weave_cli.router.overlay.heartbeat import (
    Heartbeat,
    HeartbeatKind,
    decode_heartbeat,
    encode_acknowledgement,
)
from weave_cli.router.overlay.roles import (
    ControlReady,
    Established,
    Held,
    Narrow,
    Neighbour,
    PathMtuChanged,
)
from weave_cli.router.overlay.vxlan import HeartbeatReady, VxlanConnection
from weave_cli.router.overlay.vxlan_terms import find_obstacle, remote_port

MTU = 1450
START = 1000.0
PLAIN, FULL_SIZE = HeartbeatKind.PLAIN, HeartbeatKind.FULL_SIZE

Loss = Callable[[float, str, HeartbeatKind], bool]


def neighbour(number: int, **changes: object) -> Neighbour:
    facts: dict[str, object] = {
        "conn_id": 7,
        "uid": 0x1122334455667788,
        "name": PeerName(0x7A0000000000 + number),
        "nickname": f"host{number}",
        "address": f"10.0.0.{number}",
        "udp_port": 6784,
    }
    return Neighbour(**{**facts, **changes})  # type: ignore[arg-type]


def connection(us: int, other: Neighbour) -> VxlanConnection:
    return VxlanConnection(other, us=PeerName(0x7A0000000000 + us), mtu=MTU, rng=random.Random(us))


def heard(*, number: int) -> Heartbeat:
    """A small heartbeat of host 2 for host 1."""
    uid, names = neighbour(2).uid, (PeerName(0x7A0000000002), PeerName(0x7A0000000001))
    return Heartbeat(kind=PLAIN, uid=uid, sender=names[0], destination=names[1], number=number)


class Pair:
    """Two ends; `loses(now, sender, kind)` decides about each heartbeat, control messages always arrive."""

    def __init__(self) -> None:
        self.now = START
        self.ends = {"a": connection(1, neighbour(2)), "b": connection(2, neighbour(1))}
        self.told: dict[str, list[object]] = {"a": [], "b": []}
        self.beats: dict[str, list[tuple[float, HeartbeatKind]]] = {"a": [], "b": []}
        self.loses: Loss = lambda now, sender, kind: False

    def start(self, *names: str) -> None:
        for name in names:
            self.ends[name].start(self.now)
        self.settle()

    def settle(self) -> None:
        """Carry everything there is to carry, until both are quiet."""
        busy = True
        while busy:
            busy = False
            for name, other in (("a", "b"), ("b", "a")):
                while (event := self.ends[name].next_event()) is not None:
                    busy = True
                    self._carry(name, other, event)

    def _carry(self, name: str, other: str, event: object) -> None:
        match event:
            case HeartbeatReady(kind=kind, frame=frame):
                self.beats[name].append((self.now - START, kind))
                if not self.loses(self.now, name, kind):
                    heartbeat = decode_heartbeat(frame)
                    assert heartbeat is not None and heartbeat.kind is kind
                    self.ends[other].receive_heartbeat(heartbeat, self.now)
            case ControlReady(sub_tag=sub_tag, body=body):
                self.ends[other].receive_control(sub_tag, body, self.now)
            case _:
                self.told[name].append(event)

    def run_until(self, end: float) -> None:
        while True:
            wakes = [wake for one in self.ends.values() if (wake := one.next_wake()) is not None]
            if not wakes or min(wakes) > START + end:
                self.now = START + end
                return
            self.now = min(wakes)
            for one in self.ends.values():
                wake = one.next_wake()
                if wake is not None and wake <= self.now:
                    one.on_wake(self.now)
            self.settle()


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_a_good_path_is_established_at_once(pair: Pair) -> None:
    pair.start("a", "b")
    assert pair.told == {"a": [Established()], "b": [Established()]}
    assert pair.now == START


def test_an_end_that_starts_later_is_not_waited_for_long(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: sender == "a" and now < START + 0.06
    pair.start("a")
    pair.now += 0.06
    pair.start("b")
    assert pair.told == {"a": [Established()], "b": [Established()]}


def test_an_acknowledgement_gets_its_time(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: sender == "a" and now < START + 0.02
    pair.start("a")
    pair.now += 0.01
    pair.start("b")
    assert pair.beats["a"] == [(0, PLAIN)]
    pair.run_until(0.06)
    assert pair.told == {"a": [Established()], "b": [Established()]}


def test_first_heartbeats_come_fast_then_slower(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: True
    pair.start("a")
    pair.run_until(4)
    times = [round(when, 3) for when, kind in pair.beats["a"] if kind is PLAIN]
    assert times == [0, 0.2, 0.6, 1.4, 2.4, 3.4]


def test_heartbeats_of_a_living_path_come_about_every_three_seconds(pair: Pair) -> None:
    pair.start("a", "b")
    pair.run_until(300)
    times = [when for when, kind in pair.beats["a"] if kind is PLAIN and when > 0]
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert all(2.7 <= step <= 3.3 for step in steps) and len(set(steps)) > 10
    assert pair.told == {"a": [Established()], "b": [Established()]}


def test_an_unacknowledged_heartbeat_is_soon_followed_by_another(pair: Pair) -> None:
    pair.start("a", "b")
    pair.loses = lambda now, sender, kind: sender == "a" and now < START + 4.5
    pair.run_until(20)
    times = [when for when, kind in pair.beats["a"] if kind is PLAIN and when > 0]
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert steps[:2] == [0.5, 0.5] and all(step > 2.5 for step in steps[4:])


def test_a_path_dead_both_ways_is_held_after_five_seconds(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: True
    pair.start("a", "b")
    pair.run_until(4.9)
    assert pair.told["a"] == []
    pair.run_until(60)
    assert pair.told["a"] == [
        Held("no heartbeats through UDP port 6784 from host2 for 5 s: is the port blocked?")
    ]


def test_a_path_dead_one_way_tells_each_end_what_it_sees(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: sender == "a"
    pair.start("a", "b")
    pair.run_until(60)
    assert pair.told["a"] == [
        Held(
            "our heartbeats to UDP port 6784 of host2 did not arrive for 5 s: "
            "is the port blocked at 10.0.0.2?"
        )
    ]
    assert pair.told["b"] == [
        Held("no heartbeats through UDP port 6784 from host1 for 5 s: is the port blocked?")
    ]


@pytest.mark.parametrize("lossy", ["a", "b", "ab"])
def test_a_path_that_dies_later_is_held_after_eight_seconds(pair: Pair, lossy: str) -> None:
    pair.start("a", "b")
    pair.run_until(100)
    pair.loses = lambda now, sender, kind: sender in lossy
    pair.run_until(104)
    assert pair.told == {"a": [Established()], "b": [Established()]}
    pair.run_until(109)
    for name in "ab":
        (held,) = pair.told[name][1:]
        assert isinstance(held, Held) and " for 8 s" in held.reason
        assert ("did not arrive" in held.reason) == (lossy == name)
        assert not pair.ends[name].is_working


def test_a_held_path_is_tried_seldom_and_for_ever(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: True
    pair.start("a", "b")
    pair.run_until(4000)
    times = [when for when, kind in pair.beats["a"] if kind is PLAIN and when > 6]
    assert all(4.5 <= later - earlier <= 5.5 for earlier, later in pairwise(times))
    assert times[-1] > 3990


@pytest.mark.parametrize("opened_at", [7.0, 9.5, 12.0, 100.0, 1001.3])
def test_a_held_path_is_used_again_soon_after_it_opened(pair: Pair, opened_at: float) -> None:
    pair.loses = lambda now, sender, kind: now < START + opened_at
    pair.start("a", "b")
    pair.run_until(opened_at)
    assert not pair.ends["a"].is_working
    pair.run_until(opened_at + 16)
    for name in "ab":
        held, established = pair.told[name]
        assert isinstance(held, Held) and established == Established()
        assert pair.ends[name].is_working
    before = len(pair.beats["a"])
    pair.run_until(opened_at + 46)
    assert len(pair.beats["a"]) - before <= 2 * 12, "beats of a living path again"


def test_a_path_open_one_way_only_is_not_used_again(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: now < START + 20 or sender == "a"
    pair.start("a", "b")
    pair.run_until(300)
    assert all(len(told) == 1 for told in pair.told.values())
    assert len([when for when, kind in pair.beats["b"] if kind is PLAIN and when > 100]) < 50


def test_a_path_that_loses_half_is_not_used_again_and_again(pair: Pair) -> None:
    chance = random.Random(5)
    pair.loses = lambda now, sender, kind: now < START + 20 or chance.random() < 0.6
    pair.start("a", "b")
    pair.run_until(620)
    assert sum(isinstance(event, Established) for event in pair.told["a"]) < 12


def test_a_few_lost_heartbeats_do_no_harm(pair: Pair) -> None:
    chance = random.Random(3)
    pair.start("a", "b")
    pair.loses = lambda now, sender, kind: chance.random() < 0.2
    pair.run_until(600)
    assert not any(isinstance(event, Held) for event in pair.told["a"] + pair.told["b"])


def test_what_the_network_answered_is_in_the_reason(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: True
    pair.start("a")
    pair.ends["a"].on_refusal("Connection refused")
    pair.run_until(30)
    assert pair.told["a"] == [
        Held(
            "no heartbeats through UDP port 6784 from host2 for 5 s "
            "(10.0.0.2 answered: Connection refused): is the port blocked?"
        )
    ]


def test_large_heartbeats_fill_the_mtu() -> None:
    end = connection(1, neighbour(2))
    end.start(START)
    plain = end.next_event()
    assert isinstance(plain, HeartbeatReady) and plain.kind is PLAIN and len(plain.frame) < 60
    assert end.next_event() is None, "no large ones before small ones get through"
    end.receive_heartbeat(heard(number=1), START)
    end.receive_control(0, encode_acknowledgement(heard(number=1)), START)
    frames = {
        event.kind: event.frame for event in iter(end.next_event, None) if isinstance(event, HeartbeatReady)
    }
    assert len(frames.pop(FULL_SIZE)) == 14 + MTU and not frames


def test_large_ones_alone_do_not_establish() -> None:
    end = connection(1, neighbour(2))
    end.start(START)
    large = replace(heard(number=1), kind=FULL_SIZE)
    end.receive_heartbeat(large, START)
    end.receive_control(0, encode_acknowledgement(large), START)
    assert Established() not in list(iter(end.next_event, None)) and not end.is_working


def test_large_ones_are_seldom_on_a_path_that_carries_them(pair: Pair) -> None:
    pair.start("a", "b")
    pair.run_until(300)
    times = [when for when, kind in pair.beats["a"] if kind is FULL_SIZE]
    assert all(10 <= later - earlier <= 15 for earlier, later in pairwise(times))
    assert times[0] == 0 and len(times) > 20
    assert len(pair.beats["a"]) < 1.35 * len([kind for _, kind in pair.beats["a"] if kind is PLAIN])


def test_a_connection_begins_with_one_beat_of_each_end(pair: Pair) -> None:
    pair.start("a", "b")
    pair.run_until(2)
    assert pair.beats == {"a": [(0, PLAIN), (0, FULL_SIZE)], "b": [(0, PLAIN), (0, FULL_SIZE)]}


def test_a_path_that_swallows_large_ones_is_called_narrower(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: kind is FULL_SIZE
    pair.start("a", "b")
    pair.run_until(11)
    assert pair.told["a"] == [Established()]
    pair.run_until(20)
    established, changed = pair.told["a"]
    assert established == Established()
    assert isinstance(changed, PathMtuChanged) and changed.is_narrower
    assert changed.text.startswith("the path to host2 is narrower than our MTU 1450")
    assert pair.ends["a"].attributes() == {"name": "vxlan", "mtu": 1450, "path_mtu": "narrower"}


def narrow_to(*senders: str) -> Loss:
    """A path that swallows whatever is large, without a word, if one of these sent it."""
    return lambda now, sender, kind: sender in senders and kind is not PLAIN


@pytest.mark.parametrize("senders", ["a", "b", "ab"])
def test_a_path_that_swallows_all_large_ones_is_narrow_at_both_ends(pair: Pair, senders: str) -> None:
    pair.loses = narrow_to(*senders)
    pair.start("a", "b")
    pair.run_until(6)
    assert pair.told == {"a": [Established()], "b": [Established()]}
    pair.run_until(12)
    for name, other in (("a", "host2"), ("b", "host1")):
        narrow = pair.told[name][-1]
        way = f"to {other}" if name in senders else f"from {other}"
        assert isinstance(narrow, Narrow)
        assert narrow.reason.startswith(f"packets of our MTU 1450 {way} get lost without a word")
        assert pair.ends[name].is_working and pair.ends[name].is_narrow
    pair.run_until(900)
    assert all(sum(isinstance(one, Narrow) for one in told) <= 2 for told in pair.told.values())


def test_what_may_be_cut_and_arrives_keeps_the_path_in_use(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: kind is FULL_SIZE
    pair.start("a", "b")
    pair.run_until(300)
    assert not any(isinstance(one, Narrow) for one in pair.told["a"] + pair.told["b"])
    plain = [when for when, kind in pair.beats["a"] if kind is PLAIN and when > 20]
    assert all(later - earlier > 2.5 for earlier, later in pairwise(plain)), "nothing is in doubt"


def test_a_narrow_path_is_used_again_when_large_ones_arrive_for_a_while(pair: Pair) -> None:
    pair.loses = narrow_to("a")
    pair.start("a", "b")
    pair.run_until(100)
    pair.loses = lambda now, sender, kind: False
    pair.run_until(104)
    assert pair.ends["a"].is_narrow and pair.ends["b"].is_narrow
    pair.run_until(115)
    for name in "ab":
        assert pair.told[name][-1] == Established() and not pair.ends[name].is_narrow
    assert pair.ends["a"].attributes() == {"name": "vxlan", "mtu": 1450}


def test_a_path_that_becomes_narrow_is_noticed(pair: Pair) -> None:
    pair.start("a", "b")
    pair.run_until(100)
    pair.loses = narrow_to("b")
    pair.run_until(130)
    assert isinstance(pair.told["a"][-1], Narrow) and isinstance(pair.told["b"][-1], Narrow)


def test_a_narrow_path_that_was_held_comes_back_as_narrow(pair: Pair) -> None:
    pair.loses = narrow_to("a")
    pair.start("a", "b")
    pair.run_until(50)
    pair.loses = lambda now, sender, kind: True
    pair.run_until(100)
    assert isinstance(pair.told["a"][-1], Held) and isinstance(pair.told["b"][-1], Held)
    pair.loses = narrow_to("a")
    pair.run_until(130)
    for name in "ab":
        assert isinstance(pair.told[name][-1], Narrow), "not for a moment as if it were wide"
        assert not any(isinstance(one, Established) for one in pair.told[name][1:])


def test_a_path_that_is_narrow_every_other_minute_changes_ever_less(pair: Pair) -> None:
    pair.loses = lambda now, sender, kind: kind is not PLAIN and now % 60 < 30
    pair.start("a", "b")
    pair.run_until(3600)
    assert 2 <= sum(isinstance(one, Narrow) for one in pair.told["a"]) <= 10


def test_large_ones_that_get_lost_by_chance_change_nothing(pair: Pair) -> None:
    chance = random.Random(11)
    pair.loses = lambda now, sender, kind: chance.random() < 0.2
    pair.start("a", "b")
    pair.run_until(3600)
    assert not any(isinstance(one, Narrow) for one in pair.told["a"] + pair.told["b"])


def test_a_peer_that_knows_no_width_is_told_and_does_not_answer() -> None:
    end = connection(1, neighbour(2))
    end.start(START)
    end.receive_control(1, b"", START)
    end.receive_control(1, b"\2", START)
    end.receive_control(2, b"\1", START)
    assert not end.is_narrow


def test_a_known_path_mtu_is_told_at_once_and_taken_back_when_wide_again(pair: Pair) -> None:
    end = pair.ends["a"]
    pair.loses = lambda now, sender, kind: kind is FULL_SIZE
    end.on_path_mtu(1400, START)
    pair.start("a", "b")
    assert end.attributes() == {"name": "vxlan", "mtu": 1450, "path_mtu": 1350}
    pair.loses = lambda now, sender, kind: False
    pair.run_until(6)
    # The kernel goes on believing what it learned; what arrives is stronger.
    end.on_path_mtu(1400, pair.now)
    assert end.attributes() == {"name": "vxlan", "mtu": 1450}
    narrower, _, wider = pair.told["a"]
    assert isinstance(narrower, PathMtuChanged) and "WEAVE_MTU=1350" in narrower.text
    assert isinstance(wider, PathMtuChanged) and not wider.is_narrower


def test_a_wide_path_is_not_remarked_upon(pair: Pair) -> None:
    pair.ends["a"].on_path_mtu(1500, START)
    pair.start("a", "b")
    pair.run_until(100)
    assert pair.told["a"] == [Established()]
    assert pair.ends["a"].attributes() == {"name": "vxlan", "mtu": 1450}


@pytest.mark.parametrize(
    ("sub_tag", "body"),
    [
        (0, b""),
        (0, b"\0\0\0\0"),
        (0, b"\0\0\0\0\0"),
        (0, b"\0\0\0\0\x09"),
        (1, b"\0\0\0\0\1"),
        (0, b"\7\0\0\0\1"),
    ],
)
def test_nonsense_from_a_peer_acknowledges_nothing(pair: Pair, sub_tag: int, body: bytes) -> None:
    end = pair.ends["a"]
    end.start(START)
    end.receive_control(sub_tag, body, START + 1)
    end.on_wake(START + 10)
    events = list(iter(end.next_event, None))
    assert isinstance(events[-1], Held)


def test_a_heartbeat_between_other_peers_is_ignored(pair: Pair) -> None:
    stranger = connection(3, neighbour(1))
    stranger.start(START)
    event = stranger.next_event()
    assert isinstance(event, HeartbeatReady)
    heartbeat = decode_heartbeat(event.frame)
    assert heartbeat is not None
    pair.ends["a"].receive_heartbeat(heartbeat, START)
    assert pair.ends["a"].next_event() is None


@pytest.mark.parametrize(
    ("features", "dialled", "port"),
    [
        ({"VxlanPort": "7000"}, 6783, 7000),
        ({}, 7783, 7784),
        ({}, None, 6784),
        ({"VxlanPort": "0"}, None, 6784),
        ({"VxlanPort": "99999"}, None, 6784),
        ({"VxlanPort": "²"}, None, 6784),
    ],
)
def test_the_other_ends_port(features: dict[str, str], dialled: int | None, port: int) -> None:
    assert remote_port(features, dialled_port=dialled, own_port=6784) == port


@pytest.mark.parametrize(
    ("changes", "offered", "is_sealed", "told"),
    [
        ({}, ("vxlan", "sleeve"), False, None),
        ({}, ("fastdp", "sleeve"), False, "the peer does not offer it"),
        ({}, ("vxlan", "sleeve"), True, "it does not encrypt"),
        ({"address": "fe80::1"}, ("vxlan",), False, "it needs IPv4, and host2 is at fe80::1"),
        (
            {"udp_port": 7784},
            ("vxlan",),
            False,
            "host2 uses UDP port 7784 for it, we use 6784: all hosts need the same --port",
        ),
    ],
)
def test_what_can_never_work_is_told(
    changes: dict[str, object], offered: tuple[str, ...], is_sealed: bool, told: str | None
) -> None:
    assert find_obstacle(neighbour(2, **changes), offered, own_port=6784, is_sealed=is_sealed) == told
