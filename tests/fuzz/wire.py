"""A whole TCP connection: what comes of it must not depend on how its octets were cut."""

from __future__ import annotations

from tests.fuzz.seeds import recorded
from weave_cli.names import PeerName
from weave_cli.router.wire.connection import Introduced, WireConnection, WireEvent
from weave_cli.router.wire.frames import frame_message
from weave_cli.router.wire.intro import Features

_OURS = Features(name=PeerName(1), nickname="us", uid=1, conn_id=1, overlays=("vxlan", "sleeve"))
_THEIRS = Features(name=PeerName(2), nickname="them", uid=2, conn_id=2, short_id=2)
_GREETING = b"weave\x01\x02\x00" + frame_message(_THEIRS.encode())


def seeds() -> list[bytes]:
    messages = (
        frame_message(b"\x00") + frame_message(b"\x04gossip") + frame_message(b"\x07\x00\x01") + b"\0\0\0\0"
    )
    octets = [_GREETING, _GREETING + messages, *recorded("intro")]
    return [bytes((cut,)) + one for one in octets for cut in (0, 1, 4)]


def check(data: bytes) -> None:
    if not data:
        return
    # Bit 0: which side we are; bit 1: past the introduction; the rest: octets that come at once.
    choice, octets = data[0], data[1:]
    if choice & 2:
        octets = _GREETING + octets
    step = (choice >> 2) or len(octets) or 1
    initiator = bool(choice & 1)
    assert _events(octets, step, initiator) == _events(octets, len(octets) or 1, initiator)


def _events(octets: bytes, step: int, initiator: bool) -> list[WireEvent]:
    connection = WireConnection(initiator=initiator, features=_OURS, now=0.0)
    found = []
    for at in range(0, len(octets), step):
        connection.receive(octets[at : at + step], 0.0)
        while event := connection.next_event():
            found.append(event)
            if isinstance(event, Introduced):
                connection.send(4, b"ours", 0.0)
        connection.data_to_send()
    connection.on_wake(1000.0)
    return found
