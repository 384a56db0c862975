"""What waits: for whom, how often it asks, and what ends it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.fakes.allocators import FakeJournal
from weave_cli.addresses import Cidr, Range, parse_address, parse_cidr
from weave_cli.names import PeerName
from weave_cli.router.ipam.operations import MAX_CLAIM_ATTEMPTS, Operations
from weave_cli.router.ipam.requests import Answered, PendingAllocation, PendingClaim, Refused
from weave_cli.router.ipam.ring import Entry, Ring
from weave_cli.router.ipam.territory import Saved, Territory

US, BIG, SMALL = PeerName(1), PeerName(2), PeerName(3)
SUBNET = parse_cidr("10.0.0.0/24")
WHOLE = SUBNET.network


@dataclass
class FakeSpeaker:
    """Notes what was asked of others."""

    unreachable: set[PeerName] = field(default_factory=set)
    asked: list[tuple[PeerName, Range]] = field(default_factory=list)
    elections: int = 0

    def begin_election(self, now: float) -> None:
        self.elections += 1

    def ask_for_space(self, owner: PeerName, wanted: Range) -> bool:
        if owner in self.unreachable:
            return False
        self.asked.append((owner, wanted))
        return True

    def label(self, peer: PeerName | None) -> str:
        return f"peer {peer}"


def others_own_all(*, big: int = 192, small: int = 64) -> Ring:
    return Ring(
        WHOLE,
        [
            Entry(token=WHOLE.start, peer=BIG, free=big),
            Entry(token=WHOLE.start + 192, peer=SMALL, free=small),
        ],
    )


class Desk:
    """Operations over a ring, with a counter of requests."""

    def __init__(self, ring: Ring | None) -> None:
        self.territory = Territory(US, WHOLE, FakeJournal(), Saved(ring))
        self.speaker = FakeSpeaker()
        self.operations = Operations(US, self.territory, self.speaker, random.Random(1))
        self.count = 0

    def allocate(self, subnet: Cidr = SUBNET) -> int:
        self.count += 1
        pending = PendingAllocation(self.count, f"c{self.count}", subnet, False)
        self.operations.allocate(pending, 0.0)
        return self.count

    def claim(self, text: str, *, early: bool = False) -> int:
        self.count += 1
        pending = PendingClaim(self.count, f"c{self.count}", parse_cidr(text), False, early)
        self.operations.claim(pending, 0.0)
        return self.count

    def events(self) -> list[object]:
        return list(iter(self.operations.next_event, None))


def test_one_question_for_space_serves_all_that_wait_for_a_subnet() -> None:
    desk = Desk(others_own_all())
    for _ in range(5):
        desk.allocate()
    desk.operations.retry(0.0)
    assert len(desk.speaker.asked) == 1
    assert desk.speaker.asked[0][1] == WHOLE


def test_denied_question_goes_to_the_next_peer_and_then_waits_for_the_tick() -> None:
    desk = Desk(others_own_all())
    desk.allocate()
    (first, _) = desk.speaker.asked[0]
    desk.operations.on_denied(WHOLE, first)
    assert {peer for peer, _ in desk.speaker.asked} == {BIG, SMALL}
    desk.operations.on_denied(WHOLE, desk.speaker.asked[1][0])
    assert len(desk.speaker.asked) == 2
    desk.operations.tick(5.0)
    assert len(desk.speaker.asked) == 3


def test_peers_without_free_space_in_the_subnet_are_not_asked() -> None:
    desk = Desk(others_own_all(big=0))
    desk.allocate(parse_cidr("10.0.0.0/25"))
    assert desk.speaker.asked == []
    desk.allocate(parse_cidr("10.0.0.128/25"))
    assert desk.speaker.asked == [(SMALL, parse_cidr("10.0.0.128/25").network)]


def test_unreachable_peers_are_passed_over() -> None:
    desk = Desk(others_own_all())
    desk.speaker.unreachable = {BIG}
    desk.allocate()
    assert desk.speaker.asked == [(SMALL, WHOLE)]


def test_peers_with_more_space_are_asked_more_often() -> None:
    desk = Desk(others_own_all(big=192, small=10))
    for _ in range(200):
        waiting = desk.allocate()
        desk.operations.tick(0.0)
        desk.operations.cancel(waiting)
    asked = [peer for peer, _ in desk.speaker.asked]
    assert asked.count(BIG) > 3 * asked.count(SMALL) > 0


def test_denied_subnet_fails_no_claim_inside_it() -> None:
    desk = Desk(others_own_all())
    desk.allocate()
    claim = desk.claim("10.0.0.200/24")
    desk.operations.on_denied(WHOLE, BIG)
    assert desk.events() == []
    address = parse_address("10.0.0.200")
    desk.operations.on_denied(Range(address, address + 1), SMALL)
    assert desk.events() == []
    desk.operations.on_told(BIG)
    assert desk.events() == []
    desk.operations.on_told(SMALL)
    assert desk.events() == [
        Refused(claim, "Unable to claim: address 10.0.0.200/24 is owned by other peer peer 3")
    ]


def test_claim_asks_once_until_the_tick_and_counts_one_failure_for_each() -> None:
    desk = Desk(others_own_all())
    desk.speaker.unreachable = {BIG}
    claim = desk.claim("10.0.0.9/24")
    for attempt in range(1, MAX_CLAIM_ATTEMPTS):
        desk.operations.retry(0.0)
        desk.operations.retry(0.0)
        assert desk.events() == []
        assert desk.operations.claims[0].failed_attempts == attempt
        desk.operations.tick(0.0)
    assert desk.events() == [
        Refused(
            claim,
            "Unable to claim: address 10.0.0.9/24 is owned by other peer peer 2"
            " - unknown relay destination: 00:00:00:00:00:02",
        )
    ]


def test_claim_that_was_sent_has_not_failed() -> None:
    desk = Desk(others_own_all())
    desk.claim("10.0.0.9/24")
    for _ in range(2 * MAX_CLAIM_ATTEMPTS):
        desk.operations.tick(0.0)
    assert desk.events() == []
    assert len(desk.speaker.asked) == 1 + 2 * MAX_CLAIM_ATTEMPTS


def test_patient_caller_and_hasty_caller_without_a_ring() -> None:
    desk = Desk(None)
    desk.claim("10.0.0.9/24")
    hasty = desk.claim("10.0.0.10/24", early=True)
    assert desk.events() == [Answered(hasty, parse_cidr("10.0.0.10/24"))]
    assert desk.speaker.elections == 2
    desk.territory.divide([US])
    desk.operations.on_gained(0.0)
    assert desk.events() == [Answered(1, parse_cidr("10.0.0.9/24"))]
    assert desk.territory.books.owner_of(parse_address("10.0.0.10")) == "c2"


def test_hasty_claim_that_fails_later_is_only_logged() -> None:
    desk = Desk(None)
    hasty = desk.claim("10.0.0.10/24", early=True)
    desk.territory.divide([US])
    desk.territory.use("first", parse_cidr("10.0.0.10/24"), is_container=False)
    desk.operations.on_gained(0.0)
    assert desk.events() == [Answered(hasty, parse_cidr("10.0.0.10/24"))]
    assert not desk.operations.is_waiting


def test_everything_that_waits_can_be_cancelled() -> None:
    desk = Desk(None)
    desk.allocate()
    desk.claim("10.0.0.9/24")
    desk.operations.wait_for_ring(77, 0.0)
    for request in (1, 2, 77):
        desk.operations.cancel(request)
    assert not desk.operations.is_waiting
    desk.territory.divide([US])
    desk.operations.on_gained(0.0)
    assert desk.events() == []
    assert desk.territory.books.all() == {}


def test_waits_end_in_the_order_ring_claims_allocations() -> None:
    desk = Desk(None)
    allocation = desk.allocate()
    claim = desk.claim("10.0.0.1/24")
    desk.operations.wait_for_ring(77, 0.0)
    desk.territory.divide([US])
    desk.operations.on_gained(0.0)
    assert desk.events() == [
        Answered(77, None),
        Answered(claim, parse_cidr("10.0.0.1/24")),
        Answered(allocation, parse_cidr("10.0.0.2/24")),
    ]
