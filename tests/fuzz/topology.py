"""Updates of the topology: decoded, applied to a table in both orders, encoded again."""

from __future__ import annotations

from tests.fuzz.seeds import recorded
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.mesh.peers import Link, Peer, PeerTable
from weave_cli.router.mesh.topology import decode_peers, encode_peers

_LINK = Link(remote=PeerName(0x7A0000000002), address="10.0.0.2:6783", outbound=True, established=True)


def seeds() -> list[bytes]:
    return [*recorded("topology", "topology-apply"), encode_peers([])]


def check(data: bytes) -> None:
    try:
        peers = decode_peers(data)
    except RemoteProtocolError:
        return
    assert decode_peers(encode_peers(peers)) == peers
    table = PeerTable(Peer(name=PeerName(0x7A0000000001), nickname="us", uid=1, links=(_LINK,)))
    table.apply(peers)
    assert not table.apply(peers).improved
    table.collect()
    encode_peers(table)
