"""Where frames go: each rule by itself, then whole meshes of switches through which a broadcast runs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_cli.names import PeerName
from weave_cli.router.overlay.frame_switch import BroadcastMissing, Copy, FrameSwitch
from weave_cli.router.overlay.macs import (
    ECHO_WINDOW_S,
    LARGEST_TABLE,
    MAC_LIFETIME_S,
    MacFound,
    MacLost,
    MacTable,
)
from weave_cli.router.overlay.roles import Carriage

US, A, B, C = (PeerName(0x7A0000000000 + number) for number in range(4))
NOW = 1000.0
ALL = b"\xff" * 6
GROUP = bytes.fromhex("01005e000001")


def mac(number: int) -> bytes:
    return bytes((2, 0, 0, 0, 0, number))


@pytest.fixture
def switch() -> FrameSwitch:
    """Neighbours A and B; C is behind B."""
    made = FrameSwitch(US)
    made.set_routes({A: A, B: B, C: B}, (A, B))
    made.set_broadcast(A, ())
    made.set_broadcast(C, (A,))
    return made


def events(switch: FrameSwitch | MacTable) -> list[object]:
    found: list[object] = []
    while (event := switch.next_event()) is not None:
        found.append(event)
    return found


def test_a_broadcast_of_ours_goes_to_the_next_hops(switch: FrameSwitch) -> None:
    for destination in (ALL, GROUP, mac(9)):
        verdict = switch.captured(destination, mac(1), NOW)
        assert verdict.copies == (Copy(A, US, A), Copy(B, US, B)) and verdict.is_flooded


def test_a_frame_for_a_known_address_goes_its_way(switch: FrameSwitch) -> None:
    switch.received(B, C, US, ALL + mac(3), NOW)
    verdict = switch.captured(mac(3), mac(1), NOW)
    assert verdict.copies == (Copy(B, US, C),) and not verdict.is_flooded


def test_a_frame_for_a_container_of_ours_is_dropped(switch: FrameSwitch) -> None:
    switch.captured(ALL, mac(1), NOW)
    assert switch.captured(mac(1), mac(2), NOW).why_dropped == "for a container of this host"


@pytest.mark.parametrize("last", [0x00, 0x0F])
def test_frames_for_the_next_bridge_stay(switch: FrameSwitch, last: int) -> None:
    verdict = switch.captured(bytes.fromhex("0180c20000") + bytes([last]), mac(1), NOW)
    assert verdict.why_dropped == "for the next bridge only"
    assert switch.captured(bytes.fromhex("0180c2000010"), mac(1), NOW).copies


def test_what_the_kernel_carries_is_not_sent_twice(switch: FrameSwitch) -> None:
    switch.set_carriage({B: Carriage.EVERYTHING, A: Carriage.NOTHING})
    assert switch.captured(ALL, mac(1), NOW).copies == (Copy(A, US, A),)
    switch.received(B, B, US, mac(1) + mac(2), NOW)
    assert switch.captured(mac(2), mac(1), NOW).why_dropped == "carried by vxlan"
    # C is not at the other end of a VXLAN tunnel of ours, so frames for it go by sleeve through B.
    switch.received(B, C, US, mac(1) + mac(3), NOW)
    assert switch.captured(mac(3), mac(1), NOW).copies == (Copy(B, US, C),)


def test_a_neighbour_that_passes_our_broadcasts_on_gets_them_by_sleeve(switch: FrameSwitch) -> None:
    switch.set_carriage({B: Carriage.UNICAST, A: Carriage.EVERYTHING})
    verdict = switch.captured(ALL, mac(1), NOW)
    assert verdict.copies == (Copy(B, US, B),) and not verdict.by_vxlan
    switch.received(B, B, US, ALL + mac(2), NOW)
    switch.received(B, C, US, ALL + mac(3), NOW)
    verdict = switch.captured(mac(2), mac(1), NOW)
    assert verdict.copies == (Copy(B, US, B),) and verdict.by_vxlan
    verdict = switch.captured(mac(3), mac(1), NOW)
    assert verdict.copies == (Copy(B, US, C),) and not verdict.by_vxlan


def test_a_frame_for_us_is_injected_and_ends_here(switch: FrameSwitch) -> None:
    switch.captured(ALL, mac(1), NOW)
    verdict = switch.received(A, A, US, mac(1) + mac(2), NOW)
    assert verdict.injects and verdict.copies == () and verdict.awaits is None


@pytest.mark.parametrize("destination", [ALL, GROUP, mac(9)])
def test_a_broadcast_is_injected_and_sent_on(switch: FrameSwitch, destination: bytes) -> None:
    switch.set_carriage({A: Carriage.EVERYTHING})
    verdict = switch.received(B, C, US, destination + mac(3), NOW)
    assert verdict.injects and verdict.copies == (Copy(A, C, A),) and verdict.is_flooded


def test_unknown_next_hops_are_asked_for_once(switch: FrameSwitch) -> None:
    for _ in range(2):
        verdict = switch.received(B, B, US, ALL + mac(2), NOW)
        assert verdict.injects and verdict.awaits == B and verdict.copies == ()
    assert events(switch) == [BroadcastMissing(B), MacFound(mac(2), B)]
    switch.set_broadcast(B, (A,))
    assert switch.received(B, B, US, ALL + mac(2), NOW).copies == (Copy(A, B, A),)
    switch.set_routes({A: A, B: B}, (A, B))
    assert switch.relayed(B, B).awaits == B
    assert events(switch) == [BroadcastMissing(B)]


def test_a_frame_between_others_is_relayed_and_teaches_nothing(switch: FrameSwitch) -> None:
    verdict = switch.received(A, A, C, mac(3) + mac(2), NOW)
    assert verdict.copies == (Copy(B, A, C),) and not verdict.injects and not verdict.is_flooded
    assert events(switch) == []


def test_nothing_goes_back_where_it_came_from(switch: FrameSwitch) -> None:
    assert switch.received(B, A, C, mac(3) + mac(2), NOW).why_dropped == "its way would lead back"
    switch.set_broadcast(C, (A, B))
    assert switch.received(B, C, US, ALL + mac(3), NOW).copies == (Copy(A, C, A),)
    assert switch.received(A, C, US, ALL + mac(3), NOW).copies == (Copy(B, C, B),)
    switch.set_broadcast(A, (A, B))
    assert switch.received(B, A, US, ALL + mac(2), NOW).copies == ()


def test_frames_of_strangers_are_dropped(switch: FrameSwitch) -> None:
    stranger = PeerName(99)
    assert switch.received(A, stranger, US, ALL + mac(2), NOW).why_dropped == "from an unknown peer"
    assert switch.received(A, A, stranger, ALL + mac(2), NOW).why_dropped == "for an unknown peer"
    assert switch.received(A, US, US, ALL + mac(2), NOW).why_dropped == "our own frame came back"
    assert switch.relayed(stranger, stranger).copies == () and events(switch) == []
    assert not switch.is_known(stranger) and switch.is_known(US) and switch.is_known(C)


def test_an_echo_is_not_sent_again_but_a_moved_container_is(switch: FrameSwitch) -> None:
    switch.received(A, A, US, ALL + mac(2), NOW)
    assert events(switch) == [MacFound(mac(2), A)]
    verdict = switch.captured(ALL, mac(2), NOW + ECHO_WINDOW_S - 0.01)
    assert verdict.why_dropped == "echo of a frame from another peer" and events(switch) == []
    assert switch.captured(ALL, mac(2), NOW + ECHO_WINDOW_S).copies
    assert events(switch) == [MacLost(mac(2))]


def test_a_container_that_moves_between_others_is_told_again(switch: FrameSwitch) -> None:
    switch.received(A, A, US, ALL + mac(2), NOW)
    switch.received(B, C, US, ALL + mac(2), NOW)
    switch.received(B, C, US, ALL + mac(2), NOW)
    assert events(switch) == [MacFound(mac(2), A), MacFound(mac(2), C)]


def test_a_container_that_moves_away_is_followed_at_once(switch: FrameSwitch) -> None:
    switch.captured(ALL, mac(2), NOW)
    switch.received(A, A, US, ALL + mac(2), NOW)
    assert events(switch) == [MacFound(mac(2), A)]


def test_the_addresses_of_a_peer_go_with_it(switch: FrameSwitch) -> None:
    switch.captured(ALL, mac(1), NOW)
    switch.received(A, A, US, ALL + mac(2), NOW)
    switch.received(B, C, US, ALL + mac(3), NOW)
    events(switch)
    switch.set_routes({A: A}, (A,))
    assert events(switch) == [MacLost(mac(3))]
    assert switch.captured(mac(1), mac(9), NOW).why_dropped == "for a container of this host"


def test_addresses_that_are_silent_for_ten_minutes_are_forgotten() -> None:
    table = MacTable(US)
    table.see_received(mac(2), A, NOW)
    table.see_captured(mac(1), NOW)
    now = NOW
    while (wake := table.next_wake()) is not None:
        now = wake
        if now < NOW + 300:
            table.see_received(mac(2), A, now)
            last = now
        table.on_wake(now)
    assert len(table) == 0 and last + MAC_LIFETIME_S <= now <= last + MAC_LIFETIME_S + 60
    assert events(table) == [MacFound(mac(2), A), MacLost(mac(2))]


def test_who_broadcasts_is_told_of_again_but_not_at_each_frame() -> None:
    table = MacTable(US)
    for now in (NOW, NOW + 0.5, NOW + 1.0, NOW + 1.5, NOW + 2.5):
        table.see_received(mac(2), A, now, is_broadcast=True)
        table.see_received(mac(2), A, now)
    assert events(table) == [MacFound(mac(2), A)] * 3


def test_invented_addresses_do_not_fill_the_memory() -> None:
    table = MacTable(US)
    for number in range(LARGEST_TABLE + 100):
        table.see_received(b"\x02\0" + number.to_bytes(4, "big"), A, NOW)
    assert len(table) == len(events(table)) == LARGEST_TABLE
    table.see_received(b"\x02" + bytes(5), B, NOW)
    assert table.find(b"\x02" + bytes(5)) == B


def test_a_group_address_is_nobodys() -> None:
    table = MacTable(US)
    table.see_received(ALL, A, NOW)
    assert table.find(ALL) is None and table.see_captured(GROUP, NOW) and table.find(GROUP) is None


class Tree:
    """Switches joined as a tree, the links of it given as the parent of each; all by sleeve."""

    def __init__(self, parents: list[int]) -> None:
        self.links: dict[int, set[int]] = {number: set() for number in range(len(parents) + 1)}
        for child, parent in enumerate(parents, 1):
            self.links[child].add(parent)
            self.links[parent].add(child)
        self.switches = {number: FrameSwitch(PeerName(number + 1)) for number in self.links}
        for number, switch in self.switches.items():
            hops = self.hops(number)
            names = {PeerName(peer + 1): PeerName(hop + 1) for peer, hop in hops.items()}
            switch.set_routes(names, tuple(PeerName(one + 1) for one in self.links[number]))
            for peer, hop in hops.items():
                beyond = self.links[number] - {hop}
                switch.set_broadcast(PeerName(peer + 1), tuple(PeerName(one + 1) for one in beyond))

    def hops(self, start: int) -> dict[int, int]:
        """Every other node, and the neighbour of `start` through which it is reached."""
        found: dict[int, int] = {}
        waiting = [(one, one) for one in self.links[start]]
        while waiting:
            node, hop = waiting.pop()
            found[node] = hop
            waiting += [(one, hop) for one in self.links[node] if one != start and one not in found]
        return found

    def send(self, start: int, destination: bytes, source: bytes) -> Counter[int]:
        """How often the frame is injected at each node."""
        injected: Counter[int] = Counter()
        verdict = self.switches[start].captured(destination, source, NOW)
        waiting = [(start, copy) for copy in verdict.copies]
        while waiting:
            sender, copy = waiting.pop()
            here = copy.next_hop - 1
            verdict = self.switches[here].received(
                PeerName(sender + 1), copy.source, copy.destination, destination + source, NOW
            )
            injected[here] += verdict.injects
            waiting += [(here, one) for one in verdict.copies]
        return +injected


TREES = st.integers(1, 12).flatmap(
    lambda count: st.tuples(*(st.integers(0, child) for child in range(count)))
)


@given(TREES, st.data())
def test_everybody_gets_a_broadcast_once_and_its_answer_finds_the_way(
    parents: tuple[int, ...], data: st.DataObject
) -> None:
    tree = Tree(list(parents))
    start, end = data.draw(st.permutations(sorted(tree.links)))[:2]
    everybody_else = Counter(number for number in tree.links if number != start)
    assert tree.send(start, ALL, mac(start)) == everybody_else
    assert tree.send(end, mac(start), mac(end)) == Counter([start])
    assert tree.send(start, mac(end), mac(start)) == Counter([end])
