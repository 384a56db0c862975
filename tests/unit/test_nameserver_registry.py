"""The registry alone: what it announces, what it believes, and what a Go router did with the same gossip."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.fakes.directory import FakeDirectory
from tests.unit.test_nameserver_shapes import entry_of
from tests.vectors.load import load
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, parse_peer_name
from weave_cli.router.mesh.gossip import GossipData
from weave_cli.router.nameserver import registry as registry_room
from weave_cli.router.nameserver.entries import Entry, storage_order
from weave_cli.router.nameserver.gossip import NameGossip
from weave_cli.router.nameserver.registry import (
    REPEAT_AFTER_S,
    TOMBSTONE_LIFE_S,
    NameRegistry,
)
from weave_cli.router.nameserver.shapes import decode_message, encode_message
from weave_cli.router.nameserver.strangers import KEPT_AFTER_LEAVING_S, KEPT_S

pytestmark = pytest.mark.unit

US, OTHER, THIRD, STRANGER = (PeerName(0x7A0000000000 + number) for number in (1, 2, 3, 9))
NOW = 1_700_000_000.5


@dataclass
class FakeChannel:
    """Keeps what was broadcast."""

    broadcasts: list[list[Entry]] = field(default_factory=list)
    gossiped: list[list[Entry]] = field(default_factory=list)

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        raise AssertionError("the nameserver never unicasts")

    def broadcast(self, data: GossipData) -> None:
        self.broadcasts.append(list(decode_message(data.encode(NOW))[1]))

    def gossip(self, data: GossipData) -> None:
        """Only of what came too early: periodic gossip is the node's business."""
        self.gossiped.append(list(decode_message(data.encode(NOW))[1]))


@dataclass
class Bench:
    """A registry with what it stands on."""

    directory: FakeDirectory
    channel: FakeChannel
    registry: NameRegistry

    def take(self) -> list[list[Entry]]:
        """What was broadcast since the last time."""
        taken, self.channel.broadcasts = self.channel.broadcasts, []
        return taken

    def gossip(self, *entries: Entry, now: float = NOW) -> list[Entry] | None:
        return listed(self.registry.on_gossip(encode_message(int(now), entries), now))


def bench(name: PeerName = US) -> Bench:
    directory = FakeDirectory({US: "one", OTHER: "two", THIRD: "three"})
    made = Bench(
        directory, FakeChannel(), NameRegistry(name=name, domain="weave.local.", directory=directory)
    )
    made.registry.attach(made.channel)
    return made


def listed(data: NameGossip | None) -> list[Entry] | None:
    return None if data is None else sorted(data.entries.values(), key=lambda entry: entry.identity)


def entry(name: str = "web", *, origin: PeerName = US, container: str = "c1", address: int = 1) -> Entry:
    return Entry(container_id=container, origin=origin, address=address, hostname=f"{name}.weave.local.")


@pytest.mark.parametrize(
    "vector", load("nameserver-merge")["vectors"], ids=lambda vector: str(vector["name"])
)
def test_gossip_is_taken_as_a_go_router_took_it(vector: dict[str, Any]) -> None:
    tested = bench(parse_peer_name(vector["self"]))
    now = NOW
    before = [entry_of(fields) for fields in vector["before"]]
    for known in before:
        if known.origin == US:
            tested.registry.add(known.hostname, known.container_id, known.address, now)
    tested.gossip(*(known for known in before if known.origin != US))
    assert tested.registry.entries() == before
    tested.take()
    incoming = [entry_of(fields) for fields in vector["incoming_entries"]]
    data = encode_message(int(now) + vector["incoming_timestamp_minus_now"], incoming)
    if "error" in vector:
        text = vector["error"].replace("Ns", f"{vector['incoming_timestamp_minus_now']}s")
        with pytest.raises(RemoteProtocolError) as caught:
            tested.registry.on_gossip(data, now)
        assert caught.value.message == text
        assert tested.registry.entries() == before
        return
    news = listed(tested.registry.on_gossip(data, now))
    # Tombstones that the recorded router made itself are of its time.
    made = {
        fields["Tombstone"]
        for fields in vector["after"]
        if fields["Tombstone"] not in {sent.tombstone for sent in incoming}
    }

    def expected(part: list[dict[str, Any]]) -> list[Entry]:
        entries = [entry_of(fields) for fields in part]
        return [replace(one, tombstone=int(now)) if one.tombstone in made - {0} else one for one in entries]

    assert tested.registry.entries() == expected(vector["after"])
    assert news == (None if vector["delta"] is None else expected(vector["delta"]))
    corrected = [one for one in expected(vector["after"]) if one.origin == US and one not in incoming]
    assert tested.take() == ([corrected] if corrected and corrected != before else [])


def test_a_new_name_is_announced_at_once_and_once_more() -> None:
    tested = bench()
    tested.registry.add("web.weave.local", "c1", 1, NOW)
    tested.registry.add("db.weave.local.", "c2", 2, NOW + 1)
    assert tested.take() == [[entry()], [entry("db", container="c2", address=2)]]
    assert tested.registry.next_wake() == NOW + REPEAT_AFTER_S
    tested.registry.on_wake(NOW + REPEAT_AFTER_S)
    assert tested.take() == [[entry("db", container="c2", address=2), entry()]]
    assert tested.registry.next_wake() is None


def test_the_repeated_announcement_tells_the_state_of_then() -> None:
    tested = bench()
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    tested.registry.remove(container="c1", now=NOW + 1)
    tested.take()
    tested.registry.on_wake(NOW + REPEAT_AFTER_S)
    assert tested.take() == [[entry().buried(NOW + 1)]]


def test_names_outside_the_domain_are_passed_over() -> None:
    tested = bench()
    tested.registry.add("web.example.com.", "c1", 1, NOW)
    assert tested.registry.entries() == [] and tested.take() == []


def test_adding_again_changes_nothing_but_is_announced() -> None:
    tested = bench()
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    generation = tested.registry.generation
    tested.registry.add("web.weave.local.", "c1", 1, NOW + 1)
    assert tested.take() == [[entry()], [entry()]]
    assert tested.registry.generation == generation


def test_adding_after_removing_raises_the_version_above_the_tombstone() -> None:
    tested = bench()
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    tested.registry.remove(hostname="WEB.weave.local", now=NOW)
    assert tested.registry.lookup("web.weave.local.") == []
    tested.registry.add("web.weave.local.", "c1", 1, NOW + 1)
    assert tested.registry.entries() == [replace(entry(), version=2)]
    assert tested.registry.lookup("web.weave.local.") == [1]


def test_a_spelling_that_differs_only_in_case_makes_no_second_entry() -> None:
    tested = bench()
    tested.registry.add("Web.weave.local.", "c1", 1, NOW)
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    tested.registry.remove(hostname="web.weave.local.", now=NOW)
    tested.registry.add("WEB.weave.local.", "c1", 1, NOW)
    (only,) = tested.registry.entries()
    assert only.hostname == "Web.weave.local." and only.version == 2
    tested.registry.remove(now=NOW)
    tested.registry.on_wake(NOW + TOMBSTONE_LIFE_S + 1)
    tested.registry.on_wake(NOW + 2 * TOMBSTONE_LIFE_S + 2)
    tested.registry.add("web.weave.local.", "c1", 1, NOW + 3 * TOMBSTONE_LIFE_S)
    assert tested.registry.entries() == [entry()]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"container": "c1"}, {("db", 3)}),
        ({"address": 2}, {("web", 1), ("db", 3)}),
        ({"hostname": "Web.Weave.Local."}, {("web", 2), ("db", 3)}),
        ({"hostname": "web.weave.local", "address": 1, "container": "c1"}, {("web", 2), ("db", 3)}),
        ({"container": "c1", "address": 3}, {("web", 1), ("web", 2), ("db", 3)}),
        ({}, set()),
    ],
)
def test_removal_takes_our_living_entries_that_match_all_filters(
    filters: dict[str, Any], left: set[tuple[str, int]]
) -> None:
    tested = bench()
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    tested.registry.add("Web2.weave.local.", "c1", 2, NOW)
    tested.registry.add("db.weave.local.", "c2", 3, NOW)
    foreign = entry(origin=OTHER)
    tested.gossip(foreign)
    tested.take()
    tested.registry.remove(**filters, now=NOW)
    alive = [one for one in tested.registry.entries() if one.is_alive]
    assert foreign in alive
    assert {(one.hostname[:3].lower().rstrip("."), one.address) for one in alive if one != foreign} == left
    announced = [one for message in tested.take() for one in message]
    assert len(announced) == 3 - len(left) and not any(one.is_alive for one in announced)
    tested.registry.remove(**filters, now=NOW + 1)
    assert tested.take() == []


def test_broadcasts_go_on_as_they_were_sent_without_strangers_and_with_ours_set_right() -> None:
    tested = bench()
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    tested.take()
    wrong = replace(entry(), version=4, tombstone=77)
    known, strange = entry("db", origin=OTHER, container="c2"), entry("x", origin=STRANGER)
    tested.gossip(known)
    data = encode_message(int(NOW) - 800, [wrong, known, strange])
    passed_on = tested.registry.on_broadcast(OTHER, data, NOW)
    assert passed_on is not None
    right = replace(entry(), version=5)
    assert decode_message(passed_on.encode(NOW + 5)) == (int(NOW) - 800, [known, right])
    assert tested.take() == [[right]]
    assert tested.registry.on_broadcast(OTHER, encode_message(int(NOW), [strange]), NOW) is None


def test_one_message_that_says_an_entry_twice_is_taken_once() -> None:
    tested = bench()
    old = entry(origin=OTHER)
    assert tested.gossip(old, old.buried(NOW)) == [old.buried(NOW)]


def test_after_a_restart_old_entries_of_ours_are_buried_and_can_be_added_again() -> None:
    tested = bench()
    ghost = replace(entry(), version=3)
    assert tested.gossip(ghost) == [ghost.buried(NOW)]
    assert tested.take() == [[ghost.buried(NOW)]]
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    assert tested.take() == [[replace(entry(), version=5)]]


def test_names_are_looked_up_without_case_and_addresses_lead_back() -> None:
    tested = bench()
    tested.registry.add("Web.weave.local.", "c1", 1, NOW)
    tested.gossip(entry(origin=OTHER, address=2), entry("zzz", origin=OTHER, address=1))
    assert tested.registry.lookup("wEB.WEAVE.local.") == [1, 2]
    assert tested.registry.reverse(1) == "Web.weave.local."
    assert tested.registry.reverse(3) is None
    tested.registry.remove(container="c1", now=NOW)
    assert tested.registry.lookup("web.weave.local.") == [2]
    assert tested.registry.reverse(1) == "zzz.weave.local."


def test_entries_of_forgotten_peers_go_and_come_back() -> None:
    tested = bench()
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    foreign, third = entry("db", origin=OTHER, address=2), entry("db", origin=THIRD, address=3)
    tested.gossip(foreign, third)
    tested.take()
    generation = tested.registry.generation
    tested.registry.peers_forgotten([OTHER, US], NOW)
    assert tested.registry.entries() == [third, entry()]
    assert tested.registry.generation > generation and tested.take() == []
    assert tested.registry.lookup("db.weave.local.") == [3]
    assert tested.gossip(foreign) == [foreign]


def test_tombstones_are_swept_when_they_are_older_than_their_life() -> None:
    tested = bench()
    for number in (1, 2):
        tested.registry.add(f"n{number}.weave.local.", f"c{number}", number, NOW)
    tested.registry.remove(container="c1", now=NOW)
    tested.registry.on_wake(NOW + REPEAT_AFTER_S)
    tested.registry.remove(container="c2", now=NOW + 100)
    tested.registry.on_wake(NOW + 100 + REPEAT_AFTER_S)
    assert tested.registry.next_wake() == NOW + TOMBSTONE_LIFE_S
    tested.registry.on_wake(NOW + TOMBSTONE_LIFE_S)
    assert [one.container_id for one in tested.registry.entries()] == ["c2"]
    tested.registry.on_wake(NOW + 2 * TOMBSTONE_LIFE_S)
    assert tested.registry.entries() == [] and tested.registry.next_wake() is None


def test_tombstones_that_others_have_not_swept_yet_are_not_taken_in_again() -> None:
    tested = bench()
    old = entry(origin=OTHER).buried(NOW - TOMBSTONE_LIFE_S - 1)
    assert tested.gossip(old) is None and tested.registry.entries() == []
    living = entry(origin=OTHER)
    tested.gossip(living)
    assert tested.gossip(old) == [old]


def test_the_generation_moves_with_living_entries_of_others_too() -> None:
    tested = bench()
    seen = [tested.registry.generation]
    for state in (entry(origin=OTHER), entry(origin=OTHER).buried(NOW)):
        tested.gossip(state)
        seen.append(tested.registry.generation)
    assert seen == sorted(set(seen))
    tested.gossip(entry(origin=OTHER))
    assert tested.registry.generation == seen[-1]


def test_the_complete_state_has_tombstones_and_does_not_change_later() -> None:
    tested = bench()
    assert tested.registry.complete_state(NOW) is None
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    tested.registry.remove(now=NOW)
    state = tested.registry.complete_state(NOW)
    tested.registry.add("web.weave.local.", "c1", 1, NOW)
    assert listed(state) == [entry().buried(NOW)]


def many(origin: PeerName = OTHER, count: int = 20) -> list[Entry]:
    """Entries of one peer, long enough together for their octets to be remembered."""
    return [entry(f"service-{n}", origin=origin, container=f"{n:064x}", address=n) for n in range(count)]


def test_a_state_that_told_nothing_new_is_known_again_until_something_changes() -> None:
    tested = bench()
    assert tested.gossip(*many()) == sorted(many(), key=lambda one: one.identity)
    for later in (1, 30):
        assert tested.gossip(*many(), now=NOW + later) is None
    tested.registry.peers_forgotten([OTHER], NOW + 30)
    assert tested.registry.entries() == []
    assert tested.gossip(*many(), now=NOW + 60) == sorted(many(), key=lambda one: one.identity)


def test_a_state_known_again_is_held_to_the_clock_as_any() -> None:
    tested = bench()
    tested.gossip(*many())
    with pytest.raises(RemoteProtocolError, match=r"^host clock skew of -901s exceeds 900s limit$"):
        tested.registry.on_gossip(encode_message(int(NOW), many()), NOW + 901)


def test_entries_of_a_stranger_are_taken_when_the_peer_is_known_at_last() -> None:
    tested = bench()
    assert tested.gossip(*many(STRANGER)) is None
    tested.directory.nicknames[STRANGER] = "nine"
    assert tested.gossip(*many(STRANGER)) == sorted(many(STRANGER), key=lambda one: one.identity)


def test_names_that_come_a_moment_before_their_peer_are_taken_in_with_it() -> None:
    tested = bench()
    early = entry("x", origin=STRANGER, container="c9", address=9)
    assert tested.gossip(early) is None
    tested.gossip(early.buried(NOW), early.buried(NOW).revived())
    tested.registry.on_wake(NOW + 0.5)
    assert tested.registry.entries() == [] and tested.registry.next_wake() == NOW + 1.0
    tested.directory.nicknames[STRANGER] = "nine"
    tested.registry.on_wake(NOW + 1.0)
    assert tested.registry.entries() == [early.buried(NOW).revived()]
    assert tested.channel.gossiped == [[early.buried(NOW).revived()]]
    assert tested.registry.next_wake() is None


def test_names_of_a_peer_that_does_not_come_are_forgotten() -> None:
    tested = bench()
    tested.gossip(*many(STRANGER))
    now = NOW
    while (wake := tested.registry.next_wake()) is not None:
        assert wake > now
        now = wake
        tested.registry.on_wake(now)
    assert NOW + KEPT_S <= now <= NOW + KEPT_S + 1
    tested.directory.nicknames[STRANGER] = "nine"
    tested.registry.on_wake(now + 60)
    assert tested.registry.entries() == [] and tested.channel.gossiped == []


def test_names_of_a_peer_that_leaves_for_a_moment_come_back_with_it() -> None:
    tested = bench()
    tested.gossip(*many())
    tested.registry.peers_forgotten([OTHER], NOW)
    del tested.directory.nicknames[OTHER]
    tested.registry.on_wake(NOW + 12)
    assert tested.registry.entries() == []
    tested.directory.nicknames[OTHER] = "two"
    tested.registry.on_wake(NOW + 13)
    assert tested.registry.entries() == sorted(many(), key=storage_order)
    assert tested.registry.next_wake() is None


def test_names_of_a_peer_that_left_are_not_kept_for_ever() -> None:
    tested = bench()
    tested.gossip(*many())
    tested.registry.peers_forgotten([OTHER], NOW)
    del tested.directory.nicknames[OTHER]
    tested.registry.on_wake(NOW + KEPT_AFTER_LEAVING_S)
    tested.directory.nicknames[OTHER] = "two"
    tested.registry.on_wake(NOW + KEPT_AFTER_LEAVING_S + 1)
    assert tested.registry.entries() == [] and tested.registry.next_wake() is None


def test_what_was_heard_of_a_returning_peer_is_newer_than_what_was_kept() -> None:
    tested = bench()
    one = entry("db", origin=OTHER, address=2)
    tested.gossip(one)
    tested.registry.peers_forgotten([OTHER], NOW)
    tested.gossip(one.buried(NOW))
    tested.registry.on_wake(NOW + 1)
    assert tested.registry.entries() == [one.buried(NOW)]


def test_changes_of_ours_while_a_state_is_remembered_are_defended_against_it() -> None:
    tested = bench()
    tested.registry.add("service-1.weave.local.", f"{1:064x}", 1, NOW)
    tested.gossip(*many(US), *many())
    tested.take()
    tested.registry.remove(container=f"{1:064x}", now=NOW)
    version = next(
        one.version
        for one in tested.registry.entries()
        if one.container_id == f"{1:064x}" and one.origin == US
    )
    tested.take()
    tested.gossip(replace(many(US)[1], version=version + 5), *many())
    assert tested.take()[0][0].version == version + 6


def test_spellings_of_another_peer_are_all_looked_up_and_never_sent_together() -> None:
    tested = bench()
    twins = [entry("WEB", origin=OTHER), entry("Web", origin=OTHER), entry("web", origin=OTHER)]
    tested.gossip(*twins)
    assert tested.registry.lookup("wEb.weave.local.") == [1, 1, 1]

    def sent() -> list[str]:
        state = tested.registry.complete_state(NOW)
        assert state is not None
        return [one.hostname for one in decode_message(state.encode(NOW))[1]]

    assert sent() == ["WEB.weave.local."]
    tested.gossip(twins[0].buried(NOW))
    assert sent() == ["Web.weave.local."]


def test_more_names_than_can_be_kept_end_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_room, "MOST_ENTRIES", 30)
    tested = bench()
    tested.gossip(*many())
    with pytest.raises(RemoteProtocolError, match="nameserver gossip with 20 new names"):
        tested.gossip(*many(THIRD))
    assert len(tested.registry.entries()) == 20


@pytest.mark.parametrize("octets", [b"", b"\x01\x02", b"\xff" * 20])
def test_octets_that_are_no_message_end_the_connection_and_change_nothing(octets: bytes) -> None:
    tested = bench()
    with pytest.raises(RemoteProtocolError):
        tested.registry.on_gossip(octets, NOW)
    with pytest.raises(RemoteProtocolError):
        tested.registry.on_broadcast(OTHER, octets, NOW)
    assert tested.registry.entries() == []
