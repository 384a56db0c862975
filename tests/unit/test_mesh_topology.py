from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors.load import load
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, format_peer_name, pack_peer_name, unpack_peer_name
from weave_cli.router.mesh.peers import Link, Peer, PeerTable
from weave_cli.router.mesh.topology import decode_peers, encode_peers
from weave_cli.router.mesh.topology_channel import TopologyData
from weave_cli.router.mesh.topology_links import write_entries
from weave_cli.router.wire.gob_decode import decode_stream
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_types import BOOL, BYTES, STRING, UINT, SliceOf, StructOf

VECTORS = load("topology")["vectors"]

NAMES = st.integers(0, 2**48 - 1).map(PeerName)
LINKS = st.builds(
    Link, remote=NAMES, address=st.text(max_size=30), outbound=st.booleans(), established=st.booleans()
)
PEERS = st.builds(
    Peer,
    name=NAMES,
    nickname=st.text(max_size=10),
    uid=st.integers(0, 2**64 - 1),
    version=st.integers(0, 2**64 - 1),
    short_id=st.none() | st.integers(0, 4095),
    links=st.lists(LINKS, max_size=4).map(tuple),
)


def peer_of(described: dict[str, Any]) -> Peer:
    assert format_peer_name(int(described["NameByte"], 16)) == described["Name"]
    return Peer(
        name=unpack_peer_name(bytes.fromhex(described["NameByte"])),
        nickname=described["NickName"],
        uid=described["UID"],
        version=described["Version"],
        short_id=described["ShortID"] if described["HasShortID"] else None,
        links=tuple(
            Link(
                remote=unpack_peer_name(bytes.fromhex(link["NameByte"])),
                address=link["RemoteTCPAddr"],
                outbound=link["Outbound"],
                established=link["Established"],
            )
            for link in described["connections"]
        ),
    )


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_updates_of_go_routers_are_understood(vector: dict[str, Any]) -> None:
    expected = [peer_of(described) for described in vector["decoded"]]
    assert decode_peers(bytes.fromhex(vector["hex"])) == expected


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_our_encoding_says_the_same(vector: dict[str, Any]) -> None:
    peers = decode_peers(bytes.fromhex(vector["hex"]))
    assert decode_peers(encode_peers(peers)) == peers


@settings(max_examples=60)
@given(st.lists(PEERS, max_size=4))
def test_what_is_encoded_is_decoded(peers: list[Peer]) -> None:
    assert decode_peers(encode_peers(peers)) == peers


@settings(max_examples=60)
@given(st.lists(PEERS, min_size=1, max_size=3), st.data())
def test_no_cut_update_is_taken(peers: list[Peer], data: st.DataObject) -> None:
    octets = encode_peers(peers)
    # Where the cut falls between two peers the rest is a whole update of fewer peers.
    boundaries = {len(encode_peers(peers[:count])) for count in range(len(peers))}
    cut = data.draw(st.integers(1, len(octets) - 1).filter(lambda at: at not in boundaries))
    with pytest.raises(RemoteProtocolError):
        decode_peers(octets[:cut])


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_garbage_raises_nothing_but_a_protocol_error(data: bytes) -> None:
    try:
        decode_peers(data)
    except RemoteProtocolError:
        pass


def odd_update(*, name: bytes = b"\0\0\0\0\0\1", remote: bytes = b"\0\0\0\0\0\2", short_id: int = 1) -> bytes:
    summary = StructOf("S", (("NameByte", BYTES), ("ShortID", UINT), ("HasShortID", BOOL)))
    links = SliceOf(StructOf("C", (("NameByte", BYTES), ("RemoteTCPAddr", STRING))))
    return encode_stream(
        (summary, {"NameByte": name, "ShortID": short_id, "HasShortID": True}),
        (links, [{"NameByte": remote, "RemoteTCPAddr": "x"}]),
    )


def test_types_with_fewer_fields_and_other_names_are_understood() -> None:
    link = Link(remote=PeerName(2), address="x", outbound=False, established=False)
    assert decode_peers(odd_update()) == [Peer(name=PeerName(1), short_id=1, links=(link,))]


def test_value_before_its_definition_is_refused() -> None:
    peer = Peer(name=PeerName(1), nickname="one")
    octets = encode_peers([peer])
    alone = encode_peers([peer, peer]).removeprefix(octets)
    summary = alone[: alone[0] + 1]
    assert octets.count(summary) == 1
    with pytest.raises(RemoteProtocolError):
        decode_peers(summary + octets.replace(summary, b""))


def test_very_long_lists_of_connections_are_understood() -> None:
    links = tuple(
        Link(remote=PeerName(n), address=f"10.0.0.1:{n}", outbound=True, established=False)
        for n in range(1, 2000)
    )
    peers = [Peer(name=PeerName(1), links=links), Peer(name=PeerName(2), version=1)]
    assert decode_peers(encode_peers(peers)) == peers


def test_values_that_go_routers_would_choke_on_are_refused() -> None:
    for octets in (odd_update(name=b"\1"), odd_update(remote=b"1234567"), odd_update(short_id=65536)):
        with pytest.raises(RemoteProtocolError):
            decode_peers(octets)


def test_waiting_data_shows_the_table_as_it_is_when_sent() -> None:
    table = PeerTable(Peer(name=PeerName(1)))
    table.apply([Peer(name=PeerName(2), version=1), Peer(name=PeerName(3), version=1)])
    data = TopologyData(table, frozenset({PeerName(2)})).merge(TopologyData(table, frozenset({PeerName(3)})))
    table.apply([Peer(name=PeerName(2), version=5)])
    table.put(
        Peer(name=PeerName(1), links=(Link(remote=PeerName(2), address="", outbound=True, established=True),))
    )
    assert [peer.name for peer in table.collect()] == [3]
    assert decode_peers(data.encode(0.0)) == [Peer(name=PeerName(2), version=5)]


def slowly(peers: list[Peer]) -> bytes:
    """The same update by the encoder of all types."""
    summary = StructOf(
        "peerSummary",
        (
            ("NameByte", BYTES),
            ("NickName", STRING),
            ("UID", UINT),
            ("Version", UINT),
            ("ShortID", UINT),
            ("HasShortID", BOOL),
        ),
    )
    link = StructOf(
        "connectionSummary",
        (("NameByte", BYTES), ("RemoteTCPAddr", STRING), ("Outbound", BOOL), ("Established", BOOL)),
    )
    pairs: list[tuple[Any, Any]] = []
    for peer in peers:
        described = {
            "NameByte": pack_peer_name(peer.name),
            "NickName": peer.nickname,
            "UID": peer.uid,
            "Version": peer.version,
            "ShortID": peer.short_id or 0,
            "HasShortID": peer.short_id is not None,
        }
        links = [
            {
                "NameByte": pack_peer_name(one.remote),
                "RemoteTCPAddr": one.address,
                "Outbound": one.outbound,
                "Established": one.established,
            }
            for one in peer.links
        ]
        pairs += [(summary, described), (SliceOf(link), links)]
    return encode_stream(*pairs)


@settings(max_examples=100)
@given(st.lists(PEERS, max_size=3))
def test_quick_octets_of_links_are_those_of_the_encoder(peers: list[Peer]) -> None:
    assert encode_peers(peers) == slowly(peers)
    assert decode_peers(slowly(peers)) == peers


@settings(max_examples=300)
@given(st.lists(LINKS, min_size=1, max_size=4), st.data())
def test_entries_are_read_quickly_only_if_slowly_gives_the_same(
    links: list[Link], data: st.DataObject
) -> None:
    """Whatever is changed in them: what the pattern takes is what the decoder takes."""
    peer = Peer(name=PeerName(1), links=tuple(links))
    octets = bytearray(encode_peers([peer]))
    body = write_entries(links)
    start = bytes(octets).rindex(body)
    for _ in range(data.draw(st.integers(0, 3))):
        octets[start + data.draw(st.integers(0, len(body) - 1))] = data.draw(
            st.sampled_from([0, 1, 2, 3, 6, 0x30, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)
        )
    try:
        expected: Any = decode_stream_of(bytes(octets))
    except RemoteProtocolError:
        expected = None
    try:
        assert decode_peers(bytes(octets)) == [replace(peer, links=expected)]
    except RemoteProtocolError:
        assert expected is None


def decode_stream_of(octets: bytes) -> tuple[Link, ...]:
    """The links of an update's only peer, by the decoder of all types."""
    summary = StructOf("S", (("NameByte", BYTES),))
    links = SliceOf(
        StructOf(
            "C", (("NameByte", BYTES), ("RemoteTCPAddr", STRING), ("Outbound", BOOL), ("Established", BOOL))
        )
    )
    _, raw = decode_stream(octets, summary, links)
    return tuple(
        Link(
            remote=unpack_peer_name(one["NameByte"]),
            address=one["RemoteTCPAddr"],
            outbound=one["Outbound"],
            established=one["Established"],
        )
        for one in raw
        if len(one["NameByte"]) == 6 or refuse()
    )


def refuse() -> bool:
    raise RemoteProtocolError("peer name that is not six octets")
