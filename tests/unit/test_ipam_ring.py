"""The ring against what Go routers did with the same input."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vectors.load import load
from weave_cli.addresses import Range, parse_address, parse_cidr
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, parse_peer_name
from weave_cli.router.ipam.merge import merge_rings
from weave_cli.router.ipam.ring import Entry, Ring, join_ranges
from weave_cli.router.ipam.space import Space, biggest_block

WHOLE = parse_cidr("10.0.0.0/24").network


def entries(raw: list[dict[str, Any]]) -> list[Entry]:
    return [
        Entry(
            token=parse_address(one["Token"]),
            peer=parse_peer_name(one["Peer"]),
            version=one["Version"],
            free=one["Free"],
        )
        for one in raw
    ]


def stretch(text: str) -> Range:
    start, _, rest = text.partition("..")
    return Range(parse_address(start), parse_address(rest.removesuffix("(exclusive)")))


@pytest.mark.parametrize(
    "vector", load("ring-seed")["vectors"], ids=lambda one: f"{one['range']}-{len(one['peers'])}"
)
def test_first_division_is_the_go_routers(vector: dict[str, Any]) -> None:
    ring = Ring(parse_cidr(vector["range"]).network)
    ring.seed(parse_peer_name(name) for name in vector["peers"])
    assert ring.entries == entries(vector["entries"])
    assert list(ring.seeds) == [parse_peer_name(name) for name in vector["seeds"]]


@pytest.mark.parametrize("vector", load("ring-grants")["vectors"], ids=lambda one: one["name"])
def test_grants_are_the_go_routers(vector: dict[str, Any]) -> None:
    us = parse_peer_name(vector["self"])
    ring = Ring(parse_cidr(vector["range"]).network, entries(vector["before"]))
    for step in vector["steps"]:
        granted = Range(parse_address(step["grant_start"]), parse_address(step["grant_end_exclusive"]))
        ring.grant(granted, parse_peer_name(step["to"]), jump=1)
        assert ring.entries == entries(step["entries"])
        assert ring.owned_by(us) == join_ranges(stretch(text) for text in step["own_ranges"])


def test_grant_before_the_first_token_keeps_the_ring_sorted() -> None:
    us, other = PeerName(1), PeerName(2)
    middle = WHOLE.start + 128
    ring = Ring(WHOLE, [Entry(token=middle, peer=us, free=256)])
    ring.grant(Range(WHOLE.start + 16, WHOLE.start + 32), other)
    ring.check()
    assert ring.owned_by(other) == [Range(WHOLE.start + 16, WHOLE.start + 32)]
    assert ring.owned_by(us) == [Range(WHOLE.start, WHOLE.start + 16), Range(WHOLE.start + 32, WHOLE.end)]


def test_versions_stop_at_what_the_wire_carries() -> None:
    us, heir = PeerName(1), PeerName(2)
    ring = Ring(WHOLE, [Entry(token=WHOLE.start, peer=us, version=(1 << 32) - 2, free=256)])
    ring.transfer(us, heir)
    assert ring.entries[0].version == (1 << 32) - 1


@pytest.mark.parametrize("vector", load("ring-transfer")["vectors"], ids=lambda one: one["name"])
def test_takeover_is_the_go_routers(vector: dict[str, Any]) -> None:
    ring = Ring(WHOLE, entries(vector["before"]))
    moved = ring.transfer(PeerName(0x7A0000000002), PeerName(0x7A0000000001))
    assert ring.entries == entries(vector["after"])
    assert moved == [stretch(text) for text in vector["new_ranges"]]


@pytest.mark.parametrize(
    "vector",
    load("ring-merge")["vectors"],
    ids=lambda one: f"{one['name']}-{one['own_ranges_contain_allocations']}",
)
def test_merge_is_the_go_routers(vector: dict[str, Any]) -> None:
    asked: list[Range] = []

    def has_allocations(part: Range) -> bool:
        asked.append(part)
        return bool(vector["own_ranges_contain_allocations"])

    ours = Ring(WHOLE, entries(vector["ours"]), map(parse_peer_name, vector["our_seeds"]))
    their_range = parse_cidr("10.1.0.0/24").network if vector["name"] == "different range" else WHOLE
    theirs = Ring(their_range, entries(vector["theirs"]), map(parse_peer_name, vector["their_seeds"]))
    us = parse_peer_name(vector["self"])
    texts = {
        "Received ring was seeded differently from ours": "IP allocation was seeded by different peers",
        "Received range differs from ours": "Incompatible IP allocation ranges",
    }
    if error := vector.get("error"):
        with pytest.raises(RemoteProtocolError) as problem:
            merge_rings(ours, theirs, us, has_allocations)
        assert str(problem.value).startswith(texts.get(error, error))
        return
    merged = merge_rings(ours, theirs, us, has_allocations)
    assert merged.ring.entries == entries(vector["result"])
    assert list(merged.ring.seeds) == [parse_peer_name(name) for name in vector["result_seeds"]]
    assert merged.updated == vector["updated"]
    assert asked == [stretch(text) for text in vector["has_allocations_asked_for"] or ()]


@pytest.mark.parametrize(
    "vector", load("cidr-biggest")["vectors"], ids=lambda one: f"{one['start']}+{one['size']}"
)
def test_biggest_block_is_the_go_routers(vector: dict[str, Any]) -> None:
    block = biggest_block(Range(parse_address(vector["start"]), parse_address(vector["end_exclusive"])))
    expected = Range(parse_address(vector["biggest_start"]), parse_address(vector["biggest_end_exclusive"]))
    assert block == expected


@pytest.mark.parametrize("vector", load("space-donate")["vectors"], ids=lambda one: one["name"])
def test_donations_are_the_go_routers(vector: dict[str, Any]) -> None:
    space = Space(Range(parse_address(start), parse_address(end)) for start, end in vector["owned"])
    for text in vector["in_use"] or ():
        address = parse_address(text)
        space.take(Range(address, address + 1))
    wanted = parse_cidr(vector["requested"]).network
    for step in vector["successive_requests"]:
        donation = space.choose_donation(wanted)
        if not step.get("size"):
            assert donation is None
            continue
        assert donation == Range(
            parse_address(step["donated_start"]), parse_address(step["donated_end_exclusive"])
        )
        space.take(donation)
