"""The liveness of a sleeve path: two ends joined by hand over a path that carries so many octets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_cli.names import PeerName
from weave_cli.router.overlay.roles import ControlReady, Established, Failed, Neighbour
from weave_cli.router.overlay.sleeve import LinkChanged, SleeveConnection, SleeveLink, SpecialReady
from weave_cli.router.overlay.sleeve_packets import (
    FRAGMENTATION_TEST_LEN,
    HEARTBEAT_LEN,
    encode_heartbeat,
    path_overhead,
    zero_frame,
)
from weave_cli.router.overlay.sleeve_path_mtu import PathMtuSearch

START = 1000.0
UID = 0x1122334455667788
ADDRESSES = {"a": ("10.0.0.1", 6783), "b": ("10.0.0.2", 6783)}


def neighbour(name: str) -> Neighbour:
    return Neighbour(
        conn_id=7,
        uid=UID,
        name=PeerName(0x7A0000000000 + ord(name)),
        nickname=f"host-{name}",
        address=ADDRESSES[name][0],
        udp_port=6783,
    )


def connection(us: str, other: str, *, is_sealed: bool = False) -> SleeveConnection:
    return SleeveConnection(
        neighbour(other),
        us=PeerName(0x7A0000000000 + ord(us)),
        is_initiator=us == "a",
        is_sealed=is_sealed,
    )


class Pair:
    """Two ends, `a` dialled. The kernel refuses DF packets above `link_mtu`, the path loses those above
    `path_mtu` silently, and fragments when `fragments`; `loses(now, sender, length)` loses more."""

    def __init__(self, *, link_mtu: int = 1500, path_mtu: int = 1500, is_sealed: bool = False) -> None:
        self.now = START
        self.link_mtu, self.path_mtu = link_mtu, path_mtu
        self.fragments = True
        self.overhead = path_overhead(is_sealed)
        self.ends = {
            "a": connection("a", "b", is_sealed=is_sealed),
            "b": connection("b", "a", is_sealed=is_sealed),
        }
        self.told: dict[str, list[object]] = {"a": [], "b": []}
        self.controls: dict[str, list[tuple[float, int, bytes]]] = {"a": [], "b": []}
        self.specials: dict[str, list[tuple[float, int, bool]]] = {"a": [], "b": []}
        self.links = {name: end.link for name, end in self.ends.items()}
        self.addresses = dict(ADDRESSES)
        self.loses: Callable[[float, str, int], bool] = lambda now, sender, length: False

    def start(self, *names: str) -> None:
        for name in names:
            self.ends[name].start(self.now)
        self.settle()

    def settle(self) -> None:
        busy = True
        while busy:
            busy = False
            for name, other in (("a", "b"), ("b", "a")):
                while (event := self.ends[name].next_event()) is not None:
                    busy = True
                    self._carry(name, other, event)
        assert self.links == {name: end.link for name, end in self.ends.items()}

    def _carry(self, name: str, other: str, event: object) -> None:
        match event:
            case SpecialReady(frame=frame, dont_fragment=dont_fragment):
                self.specials[name].append((self.now - START, len(frame), dont_fragment))
                size = len(frame) + self.overhead - 14
                if dont_fragment and size > self.link_mtu:
                    self.ends[name].on_path_mtu(self.link_mtu, self.now)
                elif size > self.path_mtu and (dont_fragment or not self.fragments):
                    return
                elif not self.loses(self.now, name, len(frame)):
                    self.ends[other].receive_special(frame, self.addresses[name], self.now)
            case ControlReady(sub_tag=sub_tag, body=body):
                self.controls[name].append((self.now - START, sub_tag, body))
                self.ends[other].receive_control(sub_tag, body, self.now)
            case LinkChanged(link=link):
                self.links[name] = link
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
                one.on_wake(self.now)
            self.settle()

    def beats(self, name: str) -> list[float]:
        return [round(when, 3) for when, length, _ in self.specials[name] if length == HEARTBEAT_LEN]


def link_of(pair: Pair, name: str) -> SleeveLink:
    return pair.ends[name].link


@pytest.mark.parametrize(("is_sealed", "mtu"), [(False, 1438), (True, 1414)], ids=["plain", "sealed"])
def test_a_good_path_is_established_and_measured_at_once(is_sealed: bool, mtu: int) -> None:
    pair = Pair(is_sealed=is_sealed)
    pair.start("a", "b")
    assert pair.now == START
    assert pair.told["b"] == [Established()]
    # The acceptor was not ready for the first heartbeat of `a`, so nobody acknowledged it yet.
    pair.run_until(0.5)
    assert pair.told["a"] == [Established()]
    for name, other in (("a", "b"), ("b", "a")):
        assert link_of(pair, name) == SleeveLink(
            address=ADDRESSES[other], mtu=mtu, max_payload=1472, fragments_pass=True
        )
        assert pair.ends[name].attributes() == {"name": "sleeve", "mtu": mtu}
        assert pair.ends[name].is_working


def test_the_acceptor_waits_for_the_address_and_answers_at_once() -> None:
    pair = Pair()
    pair.start("b")
    assert pair.specials["b"] == [] and link_of(pair, "b").address is None
    pair.start("a")
    assert pair.beats("b") == [0] and link_of(pair, "b").address == ADDRESSES["a"]


def test_heartbeats_are_fast_until_acknowledged_then_slow() -> None:
    pair = Pair()
    pair.loses = lambda now, sender, length: now < START + 1.8
    pair.start("a")
    pair.start("b")
    pair.run_until(25)
    assert pair.beats("a") == [0, 0.5, 1, 1.5, 2, 12, 22]
    assert pair.beats("b") == [2, 12, 22]
    assert all(dont_fragment for _, length, dont_fragment in pair.specials["a"] if length == HEARTBEAT_LEN)


def test_the_first_heartbeat_heard_is_acknowledged_once() -> None:
    pair = Pair()
    pair.start("b", "a")
    pair.run_until(100)
    for name in "ab":
        assert [body for _, sub_tag, body in pair.controls[name] if sub_tag == 1] == [b""]


def test_each_direction_is_proved_separately() -> None:
    pair = Pair()
    pair.loses = lambda now, sender, length: sender == "b"
    pair.start("b", "a")
    pair.run_until(30)
    assert pair.told == {"a": [Established()], "b": []}
    assert pair.ends["a"].is_working and not pair.ends["b"].is_working
    assert pair.ends["a"].waits_for == ""
    assert pair.ends["b"].waits_for == "host-a does not say that it hears our UDP heartbeats"
    assert pair.beats("b")[:3] == [0, 0.5, 1]


def test_silence_for_a_minute_is_the_end() -> None:
    pair = Pair()
    pair.start("b", "a")
    pair.loses = lambda now, sender, length: True
    pair.run_until(59.9)
    assert pair.told["a"] == [Established()]
    pair.run_until(61)
    assert pair.told["a"] == [
        Established(),
        Failed("timed out waiting for UDP heartbeat from host-b at 10.0.0.2:6783: is UDP blocked?"),
    ]
    assert pair.ends["a"].next_wake() is None and not pair.ends["a"].is_working


def test_the_kernels_words_are_told_with_the_end() -> None:
    alone = connection("b", "a")
    alone.start(START)
    assert alone.waits_for == "waiting for UDP heartbeat from host-a at 10.0.0.1, any port"
    alone.on_refusal("No route to host")
    assert alone.waits_for.endswith("(No route to host)")
    alone.on_wake(START + 60)
    assert alone.next_event() == LinkChanged(alone.link)
    assert alone.next_event() == Failed(
        "timed out waiting for UDP heartbeat from host-a at 10.0.0.1, any port (No route to host): "
        "is UDP blocked?"
    )
    assert alone.waits_for == ""


def test_a_neighbour_behind_a_nat_is_followed() -> None:
    pair = Pair()
    pair.start("b", "a")
    pair.addresses["a"] = ("192.0.2.7", 40001)
    pair.run_until(11)
    assert link_of(pair, "b").address == ("192.0.2.7", 40001)
    assert link_of(pair, "a").address == ADDRESSES["b"]


def test_a_heartbeat_of_another_connection_means_nothing() -> None:
    alone = connection("b", "a")
    alone.start(START)
    assert alone.next_event() == LinkChanged(alone.link)
    alone.receive_special(encode_heartbeat(UID + 1), ADDRESSES["a"], START)
    assert alone.next_event() is None and alone.link.address is None


def test_nothing_is_heard_before_the_start() -> None:
    alone = connection("a", "b")
    alone.receive_special(encode_heartbeat(UID), ADDRESSES["b"], START)
    alone.receive_control(1, b"", START)
    alone.on_path_mtu(1500, START)
    alone.on_wake(START)
    assert alone.next_event() is None and alone.next_wake() is None


def test_fragments_are_tested_every_five_minutes_and_not_trusted_meanwhile() -> None:
    pair = Pair()
    pair.start("b", "a")
    pair.fragments = False
    pair.run_until(299)
    assert link_of(pair, "a").fragments_pass
    pair.run_until(301)
    assert not link_of(pair, "a").fragments_pass
    pair.fragments = True
    pair.run_until(601)
    assert link_of(pair, "a").fragments_pass
    tests = [
        (round(when), dont_fragment)
        for when, length, dont_fragment in pair.specials["a"]
        if length == FRAGMENTATION_TEST_LEN
    ]
    assert tests == [(0, False), (300, False), (600, False)]


def test_a_big_frame_that_is_not_all_zero_proves_nothing() -> None:
    alone = connection("a", "b")
    alone.start(START)
    while alone.next_event() is not None:
        pass
    alone.receive_special(zero_frame(60000) + b"\1", ADDRESSES["b"], START)
    assert alone.next_event() is None
    alone.receive_special(zero_frame(60001), ADDRESSES["b"], START)
    assert alone.next_event() == ControlReady(2, b"")


def test_a_repeated_acknowledgement_does_not_repeat_the_big_tests() -> None:
    pair = Pair()
    pair.start("b", "a")
    before = len(pair.specials["a"])
    pair.ends["a"].receive_control(1, b"", pair.now)
    assert pair.ends["a"].next_event() is None and len(pair.specials["a"]) == before


@pytest.mark.parametrize(("sub_tag", "body"), [(0, b""), (4, b"xy"), (3, b""), (3, b"\1"), (255, bytes(99))])
def test_control_messages_that_mean_nothing_do_nothing(sub_tag: int, body: bytes) -> None:
    pair = Pair()
    pair.start("b", "a")
    before = link_of(pair, "a")
    pair.ends["a"].receive_control(sub_tag, body, pair.now)
    assert link_of(pair, "a") == before and pair.ends["a"].next_event() is None


@given(st.integers(0, 600), st.booleans())
def test_the_narrowest_part_of_a_silent_path_is_found(narrower: int, is_sealed: bool) -> None:
    pair = Pair(path_mtu=1500 - narrower, is_sealed=is_sealed)
    pair.start("b", "a")
    pair.run_until(40)
    assert link_of(pair, "a").mtu == 1500 - narrower - pair.overhead
    assert link_of(pair, "a").max_payload == 1500 - narrower - 28


def test_one_size_is_tried_five_times_with_doubled_patience() -> None:
    search = PathMtuSearch(overhead=62, mtu=65535)
    search.on_path_mtu(1500, START)
    times = [START]
    while search.test_mtu == 1438:
        wake = search.next_wake
        assert wake is not None
        search.on_wake(wake)
        times.append(wake)
    assert [round(later - earlier, 3) for earlier, later in pairwise(times)] == [
        0.1 * 2**doubling for doubling in range(5)
    ]
    assert search.test_mtu == (552 + 1438) // 2 and search.mtu == 1438


def test_without_any_answer_the_sure_mtu_is_left() -> None:
    search = PathMtuSearch(overhead=62, mtu=65535)
    search.on_path_mtu(1500, START)
    while (wake := search.next_wake) is not None:
        search.on_wake(wake)
    assert search.mtu == 552 and not search.is_searching


def test_what_the_kernel_says_twice_does_not_begin_the_search_again() -> None:
    search = PathMtuSearch(overhead=62, mtu=65535)
    search.on_path_mtu(1500, START)
    search.test_mtu = None
    search.on_path_mtu(1500, START)
    search.on_path_mtu(2000, START)
    assert search.test_mtu is None
    search.on_path_mtu(1400, START)
    assert search.test_mtu == search.mtu == 1338


def test_an_answer_to_another_size_means_nothing() -> None:
    search = PathMtuSearch(overhead=62, mtu=65535)
    search.on_verified(1400, START)
    search.on_path_mtu(1500, START)
    search.on_verified(1437, START)
    still_searching = search.is_searching
    search.on_verified(1438, START)
    assert (still_searching, search.is_searching, search.mtu) == (True, False, 1438)


@pytest.mark.parametrize("path_mtu", [0, 1, 68, 300])
def test_an_absurdly_narrow_path_is_survived(path_mtu: int) -> None:
    alone = connection("a", "b")
    alone.start(START)
    alone.on_path_mtu(path_mtu, START)
    while (event := alone.next_event()) is not None:
        if isinstance(event, SpecialReady):
            assert len(event.frame) >= 14


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["special", "control", "mtu", "wake"]),
            st.binary(max_size=40) | st.integers(0, 65535).map(bytes),
            st.integers(0, 255),
        ),
        max_size=30,
    )
)
def test_no_input_does_harm(inputs: list[tuple[str, bytes, int]]) -> None:
    alone, now = connection("a", "b"), START
    alone.start(now)
    for kind, octets, number in inputs:
        now += number / 10
        match kind:
            case "special":
                alone.receive_special(octets, ADDRESSES["b"], now)
            case "control":
                alone.receive_control(number, octets, now)
            case "mtu":
                alone.on_path_mtu(len(octets), now)
            case _:
                alone.on_wake(now)
        while alone.next_event() is not None:
            pass
    assert 68 <= alone.link.mtu <= 65535 and alone.link.max_payload <= 65507
