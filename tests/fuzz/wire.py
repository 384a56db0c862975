"""A whole TCP connection: what comes of it must not depend on how its octets were cut."""

from __future__ import annotations

from functools import cache
from typing import Final

from tests.fuzz.seeds import recorded
from weave_cli.names import PeerName
from weave_cli.router.wire.connection import Introduced, WireConnection, WireEvent
from weave_cli.router.wire.frames import frame_message
from weave_cli.router.wire.intro import Features
from weave_cli.router.wire.session_keys import Secret

_OURS: Final = Features(name=PeerName(1), nickname="us", uid=1, conn_id=1, overlays=("vxlan", "sleeve"))
_THEIRS: Final = Features(name=PeerName(2), nickname="them", uid=2, conn_id=2, short_id=2)

# Bits of the first octet; the second one tells how many octets come at once.
_INITIATOR, _PASSWORD, _INTRODUCED, _VERSION_1 = 1, 2, 4, 8


def seeds() -> list[bytes]:
    messages = b"".join(map(frame_message, (b"\x00", b"\x04gossip", b"\x07\x00\x01", b"")))
    found = [bytes((choice, 1)) + messages for choice in range(16) if choice & _INTRODUCED]
    for octets in recorded("intro"):
        found += [bytes((choice, cut)) + octets for choice in range(4) for cut in (0, 3)]
    return found


def check(data: bytes) -> None:
    if len(data) < 2:
        return
    choice, cut, octets = data[0], data[1], data[2:]
    if choice & _INTRODUCED:
        octets = _introduced(choice & 15, octets)
    whole = len(octets) or 1
    assert _events(choice, octets, cut or whole) == _events(choice, octets, whole)


def _introduced(choice: int, octets: bytes) -> bytes:
    """What an honest peer says first, then the octets: as one message when they must be sealed."""
    if choice & _VERSION_1:
        secret = _secret(choice, b"\x02")
        return (
            b"weave\x01\x01"
            + _THEIRS.encode_version_1(None if secret is None else secret.public_key)
            + octets
        )
    if not choice & _PASSWORD:
        return _greeting(choice) + octets
    us, them = _pair(choice)
    said = _talk(us, them)
    them.send(octets[0] if octets else 0, octets[1:], 0.0)
    return said + them.data_to_send()


@cache
def _greeting(choice: int) -> bytes:
    us, them = _pair(choice)
    return _talk(us, them)


def _pair(choice: int) -> tuple[WireConnection, WireConnection]:
    them = WireConnection(
        initiator=not choice & _INITIATOR, features=_THEIRS, now=0.0, secret=_secret(choice, b"\x02")
    )
    return _us(choice), them


def _us(choice: int) -> WireConnection:
    return WireConnection(
        initiator=bool(choice & _INITIATOR), features=_OURS, now=0.0, secret=_secret(choice, b"\x01")
    )


def _secret(choice: int, octet: bytes) -> Secret | None:
    return Secret(password=b"secret", private_key=octet * 32) if choice & _PASSWORD else None


def _talk(us: WireConnection, them: WireConnection) -> bytes:
    """Let both introduce themselves; everything that the other side said."""
    said = b""
    while theirs := them.data_to_send():
        said += theirs
        us.receive(theirs, 0.0)
        them.receive(us.data_to_send(), 0.0)
    return said


def _events(choice: int, octets: bytes, step: int) -> list[WireEvent]:
    connection = _us(choice)
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
