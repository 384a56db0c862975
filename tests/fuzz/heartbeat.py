"""Heartbeats and acknowledgements of overlay vxlan, at a connection that has just begun."""

from __future__ import annotations

import random

from weave_cli.names import PeerName
from weave_cli.router.overlay.heartbeat import (
    Heartbeat,
    HeartbeatKind,
    decode_heartbeat,
    encode_acknowledgement,
    encode_heartbeat,
)
from weave_cli.router.overlay.roles import Neighbour
from weave_cli.router.overlay.vxlan import VxlanConnection

_US, _THEM = PeerName(1), PeerName(2)


def seeds() -> list[bytes]:
    found = []
    for kind in HeartbeatKind:
        beat = Heartbeat(kind=kind, uid=3, sender=_THEM, destination=_US, number=1)
        found += [b"\x01" + encode_heartbeat(beat, size) for size in (0, 100)]
        found.append(b"\x00\x00" + encode_acknowledgement(beat))
    return found


def check(data: bytes) -> None:
    neighbour = Neighbour(conn_id=1, uid=3, name=_THEM, nickname="them", address="10.0.0.2", udp_port=6784)
    connection = VxlanConnection(neighbour, us=_US, mtu=1450, rng=random.Random(0))
    connection.start(0.0)
    if data and data[0] & 1:
        heartbeat = decode_heartbeat(data[1:])
        if heartbeat is not None:
            assert decode_heartbeat(encode_heartbeat(heartbeat)) == heartbeat
            connection.receive_heartbeat(heartbeat, 1.0)
    elif len(data) > 1:
        connection.receive_control(data[1], data[2:], 1.0)
    while connection.next_event():
        pass
    connection.attributes()
    connection.on_wake(1000.0)
