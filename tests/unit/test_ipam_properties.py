"""What holds for every ring and every space, whatever is done to them in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from weave_cli.addresses import Range
from weave_cli.names import PeerName
from weave_cli.router.ipam.merge import merge_rings
from weave_cli.router.ipam.ring import Entry, Ring, join_ranges
from weave_cli.router.ipam.space import Space, biggest_block, subtract_ranges

WHOLE = Range(0x0A200000, 0x0A200040)
PEERS = [PeerName(0x7A0000000001 + number) for number in range(4)]
ADDRESSES = st.integers(WHOLE.start, WHOLE.end - 1)
#: What a peer does next: who, what, and a number that chooses the details.
STEPS = st.lists(
    st.tuples(st.sampled_from(PEERS), st.sampled_from("adgmx"), st.integers(0, 1 << 20)), max_size=60
)


def parts(draw: st.DrawFn) -> Range:
    ends = sorted({draw(ADDRESSES), draw(ADDRESSES) + 1})
    return Range(ends[0], ends[-1]) if ends[0] < ends[-1] else Range(ends[0], ends[0] + 1)


PARTS = st.composite(parts)()


def copy_of(ring: Ring) -> Ring:
    return Ring(ring.whole, ring.entries, ring.seeds)


@dataclass
class Owner:
    """A peer's ring and space, as the allocator keeps them in step."""

    name: PeerName
    ring: Ring
    space: Space
    used: set[int] = field(default_factory=set)

    def has_allocations(self, part: Range) -> bool:
        return self.space.count_free(part) < part.size

    def hear(self, ring: Ring) -> None:
        merged = merge_rings(self.ring, ring, self.name, self.has_allocations).ring
        before, after = self.ring.owned_by(self.name), merged.owned_by(self.name)
        assert subtract_ranges(before, after) == [], "only we give our space away"
        self.ring = merged
        for stretch in subtract_ranges(after, before):
            self.space.give_back(stretch)
        self.report()

    def report(self) -> None:
        self.ring.report_free(self.name, self.space.count_free)
        self.ring.check()


class History:
    """Peers that divided one range; each only changes what is its own, and hears of the others' rings."""

    def __init__(self) -> None:
        self.owners: dict[PeerName, Owner] = {}
        for name in PEERS:
            ring = Ring(WHOLE)
            ring.seed(PEERS)
            self.owners[name] = Owner(name, ring, Space(ring.owned_by(name)))
        self.rings: list[Ring] = [copy_of(ring) for ring in [self.owners[PEERS[0]].ring]]

    def do(self, name: PeerName, act: str, number: int) -> None:
        owner = self.owners[name]
        other = self.owners[PEERS[number % len(PEERS)]]
        match act:
            case "a":
                address = owner.space.lowest_free(WHOLE)
                if address is not None:
                    owner.space.take(Range(address, address + 1))
                    assert not any(address in one.used for one in self.owners.values())
                    owner.used.add(address)
            case "d" if owner.used:
                address = sorted(owner.used)[number % len(owner.used)]
                owner.used.remove(address)
                owner.space.give_back(Range(address, address + 1))
            case "g" if other is not owner:
                donation = owner.space.choose_donation(WHOLE)
                if donation is not None:
                    owner.space.take(donation)
                    owner.ring.grant(donation, other.name)
            case "m":
                owner.hear(copy_of(other.ring))
            case "x":  # news that was long under way
                owner.hear(copy_of(self.rings[number % len(self.rings)]))
        owner.report()
        self.rings.append(copy_of(owner.ring))


def run(steps: list[tuple[PeerName, str, int]]) -> History:
    history = History()
    for step in steps:
        history.do(*step)
    return history


@settings(max_examples=120, deadline=None)
@given(steps=STEPS)
def test_nobody_loses_space_and_nothing_is_owned_twice(steps: list[tuple[PeerName, str, int]]) -> None:
    history = run(steps)
    for _ in PEERS:
        for one in history.owners.values():
            for other in history.owners.values():
                one.hear(copy_of(other.ring))
    rings = [owner.ring for owner in history.owners.values()]
    assert [[(one.token, one.peer) for one in ring.entries] for ring in rings] == [
        [(one.token, one.peer) for one in rings[0].entries]
    ] * len(PEERS)
    everything = [
        stretch
        for owner in history.owners.values()
        for stretch in (*owner.space.free_in(WHOLE), *(Range(one, one + 1) for one in owner.used))
    ]
    assert sum(stretch.size for stretch in everything) == WHOLE.size
    assert join_ranges(sorted(everything)) == [WHOLE]


@settings(max_examples=120, deadline=None)
@given(steps=STEPS, first=st.integers(0, 1 << 20), second=st.integers(0, 1 << 20))
def test_merge_does_not_depend_on_the_order_and_is_done_once(
    steps: list[tuple[PeerName, str, int]], first: int, second: int
) -> None:
    rings = run(steps).rings
    one, other = rings[first % len(rings)], rings[second % len(rings)]
    onlooker = PeerName(0x7A00000000FF)

    def merge(ours: Ring, theirs: Ring) -> Ring:
        return merge_rings(ours, theirs, onlooker, lambda part: False).ring

    both = merge(one, other)
    assert both == merge(other, one)
    assert merge(both, one) == merge(both, other) == both
    assert not merge_rings(both, one, onlooker, lambda part: False).updated
    assert one == copy_of(one), "merging changes neither"


@settings(max_examples=120, deadline=None)
@given(steps=STEPS, chosen=st.lists(st.integers(0, 1 << 20), min_size=3, max_size=3))
def test_onlookers_see_the_same_whatever_they_hear_first(
    steps: list[tuple[PeerName, str, int]], chosen: list[int]
) -> None:
    rings = run(steps).rings
    one, two, three = (rings[number % len(rings)] for number in chosen)

    def merge(ours: Ring, theirs: Ring) -> Ring:
        return merge_rings(ours, theirs, PeerName(0x7A00000000FF), lambda part: False).ring

    assert merge(merge(one, two), three) == merge(one, merge(two, three)) == merge(merge(three, one), two)


@settings(max_examples=200, deadline=None)
@given(free=st.lists(PARTS, max_size=6), taken=st.lists(ADDRESSES, max_size=20), wanted=PARTS)
def test_space_agrees_with_a_plain_set(free: list[Range], taken: list[int], wanted: Range) -> None:
    space = Space(free)
    model = {address for stretch in free for address in range(stretch.start, stretch.end)}
    for address in taken:
        assert space.is_free(address) == (address in model)
        if address in model:
            space.take(Range(address, address + 1))
            model.remove(address)
    left = sorted(address for address in model if address in wanted)
    assert space.count_free(wanted) == len(left)
    assert space.lowest_free(wanted) == (left[0] if left else None)
    for address in taken:
        if address not in model:
            space.give_back(Range(address, address + 1))
            model.add(address)
    assert list(space.free_in(WHOLE)) == join_ranges(Range(one, one + 1) for one in sorted(model))


@settings(max_examples=200, deadline=None)
@given(free=st.lists(PARTS, max_size=6), wanted=PARTS)
def test_donation_is_free_wanted_and_never_more_than_half_of_much(free: list[Range], wanted: Range) -> None:
    space = Space(free)
    donation = space.choose_donation(wanted)
    available = space.count_free(wanted)
    assert (donation is None) == (available == 0)
    if donation is not None:
        assert wanted.start <= donation.start < donation.end <= wanted.end
        assert space.count_free(donation) == donation.size
        assert donation.size <= (available + 1) // 2


@settings(max_examples=200, deadline=None)
@given(part=PARTS)
def test_biggest_block_is_aligned_and_no_bigger_one_fits(part: Range) -> None:
    block = biggest_block(part)
    assert part.start <= block.start < block.end <= part.end
    assert block.size & (block.size - 1) == 0
    assert block.start % block.size == 0
    twice = block.size * 2
    assert -(-part.start // twice) * twice + twice > part.end


@settings(max_examples=200, deadline=None)
@given(whole=st.lists(PARTS, max_size=5), cut=st.lists(PARTS, max_size=5))
def test_difference_of_ranges_is_that_of_sets(whole: list[Range], cut: list[Range]) -> None:
    left = subtract_ranges(join_ranges(sorted(whole)), join_ranges(sorted(cut)))

    def members(ranges: list[Range]) -> set[int]:
        return {address for one in ranges for address in range(one.start, one.end)}

    assert members(left) == members(whole) - members(cut)


def test_a_million_addresses_are_a_handful_of_stretches() -> None:
    whole = Range(0x0A200000, 0x0A300000)
    space = Space([whole])
    for _ in range(100):
        address = space.lowest_free(whole)
        assert address is not None
        space.take(Range(address, address + 1))
    assert list(space.free_in(whole)) == [Range(whole.start + 100, whole.end)]


@given(
    entries=st.lists(
        st.tuples(ADDRESSES, st.sampled_from(PEERS)), min_size=1, max_size=8, unique_by=lambda e: e[0]
    )
)
def test_every_address_of_a_ring_has_one_owner(entries: list[tuple[int, PeerName]]) -> None:
    ring = Ring(WHOLE, [Entry(token=token, peer=peer) for token, peer in sorted(entries)])
    for address in range(WHOLE.start, WHOLE.end):
        owners = [peer for peer in ring.owners() if any(address in one for one in ring.owned_by(peer))]
        assert owners == [ring.owner_of(address)]
    assert sum(ring.size_of(index) for index in range(len(ring.entries))) == WHOLE.size
