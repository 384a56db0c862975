"""The protocol header of a peer, and the features by which it introduces itself."""

from __future__ import annotations

from contextlib import suppress

from tests.fuzz.seeds import recorded
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.wire.intro import HEADER_SIZE, Features, negotiate_version


def seeds() -> list[bytes]:
    ours = Features(
        name=PeerName(0x7A0000000001),
        nickname="host1",
        uid=1,
        conn_id=2,
        short_id=7,
        overlays=("vxlan", "sleeve"),
        extra={"VxlanPort": "6784"},
    )
    return [*recorded("intro"), ours.encode()]


def check(data: bytes) -> None:
    if len(data) >= HEADER_SIZE:
        with suppress(RemoteProtocolError):
            assert negotiate_version(data[:HEADER_SIZE]) in (1, 2)
    with suppress(RemoteProtocolError):
        features, public_key = Features.decode_version_1(data)
        assert Features.decode_version_1(features.encode_version_1(public_key)) == (features, public_key)
    try:
        features = Features.decode(data)
    except RemoteProtocolError:
        return
    assert Features.decode(features.encode()) == features
