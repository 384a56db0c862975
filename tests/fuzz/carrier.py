"""Packets from the network and frames from the bridge, at the carrier of the sleeve process."""

from __future__ import annotations

from tests.fuzz import sleeve
from tests.unit.test_sleeve_carrier import ADDRESS_A, KEY, A, B, C, Host
from weave_cli.names import pack_peer_name
from weave_cli.router.overlay.sleeve_packets import ETHERNET_HEADER_LEN, PeerFrame, encode_frames

_MOST_PAYLOAD = 65507


def seeds() -> list[bytes]:
    ping = b"\xff" * 6 + bytes.fromhex("020000000001") + bytes.fromhex("0800") + bytes(60)
    lists = [encode_frames([PeerFrame(source, A, ping)]) for source in (A, B, C)]
    return [
        *(bytes((0, size)) + pack_peer_name(A) + one for one in lists for size in (0, 60)),
        *(bytes((1, 0)) + pack_peer_name(A) + bytes(8) + one for one in lists),
        bytes((2, 0)) + ping,
        *(bytes((0,)) + one for one in sleeve.seeds()),
    ]


def check(data: bytes) -> None:
    if len(data) < 2:
        return
    choice, size, octets = data[0] % 3, data[1], data[2:]
    host = Host(KEY if choice == 1 else None)
    if choice == 2:
        host.capture(*(octets[at : at + (size or 64)] for at in range(0, len(octets), size or 64)))
    else:
        host.receive(octets, size=size, address=ADDRESS_A)
    host.carrier.on_wake(host.now + 1)
    host.carrier.flush(host.now + 1)
    assert all(len(frame) >= ETHERNET_HEADER_LEN for frame in host.bridge.written)
    if choice != 1:
        for _, _, frames in host.sent():
            assert sum(len(one.frame) + 14 for one in frames) <= _MOST_PAYLOAD
            assert all(one.source != A or one.destination != A for one in frames)
