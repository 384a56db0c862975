"""Rings of routers before 1.6, which divide and donate by other rules than ours.

Whoever makes the first ring of a mixed mesh makes it by its own rule; all others only receive it
(specification ipam, section 2.3). So ours must live with every ring that the older ones make.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.allocators import FakeAllocatorMesh, FakePeer
from tests.vectors.load import load
from weave_cli.addresses import Cidr, Range, format_address, parse_address, parse_cidr
from weave_cli.names import PeerName, parse_peer_name
from weave_cli.router.ipam.allocator import Allocator, Setup
from weave_cli.router.ipam.merge import merge_rings
from weave_cli.router.ipam.ring import Entry, Ring
from weave_cli.router.ipam.shapes import State, encode_state

OLDER, ASKER = PeerName(0x7A0000000001), PeerName(0x7A0000000002)


def seeded(vector: dict[str, Any]) -> Ring:
    entries = [
        Entry(
            token=parse_address(one["Token"]),
            peer=parse_peer_name(one["Peer"]),
            version=one["Version"],
            free=one["Free"],
        )
        for one in vector["entries"]
    ]
    return Ring(parse_cidr(vector["range"]).network, entries, map(parse_peer_name, vector["seeds"]))


def hear(peer: FakePeer, ring: Ring, source: PeerName) -> None:
    octets = encode_state(State(now=int(peer.mesh.now), sender=source, ring=ring))

    def receive(allocator: Allocator) -> None:
        allocator.on_broadcast(source, octets, peer.mesh.now)

    peer.do(receive)


@pytest.mark.parametrize(
    "vector", load("ring-seed-1.4")["vectors"], ids=lambda one: f"{one['range']}-{len(one['peers'])}"
)
def test_ring_that_an_older_router_made_is_taken_as_it_is(vector: dict[str, Any]) -> None:
    ring = seeded(vector)
    mesh = FakeAllocatorMesh(1, whole=vector["range"])
    observer = mesh.add(0xFE, Setup(is_observer=True))
    waiting = observer.wait_for_ring()
    hear(observer, ring, ring.entries[0].peer)
    assert waiting in observer.answers
    entries = observer.allocator.view().entries
    assert [(one.token, one.peer) for one in entries] == [(one.token, one.peer) for one in ring.entries]
    assert sum(one.size for one in entries) == ring.whole.size
    # A seed of ours, too: what was given to it is all that it uses.
    ours = ring.entries[-1].peer
    seed = mesh.add(ours & 0xFF)
    hear(seed, ring, ring.entries[0].peer)
    seed.allocate("c")
    owned = [cidr.address for cidrs in seed.allocator.owned().values() for cidr in cidrs]
    assert all(ring.owner_of(address) == ours for address in owned)


@pytest.mark.parametrize("vector", load("space-donate-1.4")["vectors"], ids=lambda one: one["name"])
def test_what_an_older_router_gives_is_ours_at_once(vector: dict[str, Any]) -> None:
    mesh = FakeAllocatorMesh(1, whole="10.0.0.0/8")
    asker = mesh.add(2, Setup(is_observer=True))
    whole = mesh.range.network
    ring = Ring(whole, [Entry(token=whole.start, peer=OLDER)])
    donations = [one for one in vector["successive_requests"] if one.get("size")]
    for step in donations:
        donated = Range(parse_address(step["donated_start"]), parse_address(step["donated_end_exclusive"]))
        ring.grant(donated, ASKER, jump=1)
        hear(asker, ring, OLDER)
        for address in {donated.start, donated.end - 1}:
            request = asker.claim(f"c{address}", f"{format_address(address)}/8")
            assert asker.answers[request] == Cidr(address, 8)
        # What we say of our part since then is news to the donor, and takes nothing from it.
        theirs = ring_of(asker, whole)
        ring = merge_rings(ring, theirs, OLDER, lambda _: True).ring
    owned = sum(stretch.size for stretch in ring.owned_by(ASKER))
    assert owned == sum(one["size"] for one in donations)


def ring_of(peer: FakePeer, whole: Range) -> Ring:
    """The ring as a peer says it is."""
    entries = [
        Entry(token=one.token, peer=one.peer, version=one.version) for one in peer.allocator.view().entries
    ]
    return Ring(whole, entries)
