"""Updates of the topology: the quick reader against the plain one, applied to a table, encoded again."""

from __future__ import annotations

from tests.fuzz.seeds import recorded
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.mesh.peers import Link, Peer, PeerTable
from weave_cli.router.mesh.topology import (
    _LINKS,
    _SUMMARY,
    _links_from,
    _peer_from,
    decode_peers,
    encode_peers,
)
from weave_cli.router.wire.gob_decode import GobDecoder

_LINK = Link(remote=PeerName(0x7A0000000002), address="10.0.0.2:6783", outbound=True, established=True)


def seeds() -> list[bytes]:
    return [*recorded("topology", "topology-apply"), encode_peers([])]


def check(data: bytes) -> None:
    plain = _decode_plainly(data)
    try:
        peers = decode_peers(data)
    except RemoteProtocolError:
        assert plain is None
        return
    assert peers == plain
    assert decode_peers(encode_peers(peers)) == peers
    table = PeerTable(Peer(name=PeerName(0x7A0000000001), nickname="us", uid=1, links=(_LINK,)))
    table.apply(peers)
    assert not table.apply(peers).improved
    table.collect()
    encode_peers(table)


def _decode_plainly(data: bytes) -> list[Peer] | None:
    """As the specification says, value after value; None when it is no update."""
    decoder = GobDecoder(data)
    peers = []
    try:
        while not decoder.at_end:
            summary = decoder.decode(_SUMMARY)
            peers.append(_peer_from(summary, _links_from(decoder.decode(_LINKS))))
    except RemoteProtocolError:
        return None
    return peers
