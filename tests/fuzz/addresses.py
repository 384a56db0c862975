"""The allocator's messages at an allocator with a ring and at one without."""

from __future__ import annotations

from tests.fakes.allocators import FakeAllocatorMesh
from tests.fuzz.seeds import recorded, with_choice
from weave_cli.addresses import parse_cidr
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.ipam.shapes import decode_state

_THEIRS = PeerName(0x7A0000000002)


def seeds() -> list[bytes]:
    return with_choice(recorded("ipam-messages"), 6)


def check(data: bytes) -> None:
    choice = data[0] % 6 if data else 0
    mesh = FakeAllocatorMesh(1, whole="10.32.0.0/12")
    peer = mesh.add(1)
    if choice >= 3:
        peer.allocate("c1")
        mesh.deliver()
    try:
        match choice % 3:
            case 0:
                peer.allocator.on_gossip(data[1:], mesh.now)
            case 1:
                peer.allocator.on_broadcast(_THEIRS, data[1:], mesh.now)
            case 2:
                peer.allocator.on_unicast(_THEIRS, data[1:], mesh.now)
    except RemoteProtocolError:
        pass
    peer.allocator.allocate(99, "c2", parse_cidr("10.32.0.0/12"), is_container=True, now=mesh.now)
    peer.allocator.on_wake(mesh.now + 60)
    while peer.allocator.next_event():
        pass
    decode_state(peer.allocator.encode_state(mesh.now))
