"""The octets of the topology channel: descriptions of peers as one gob stream. Knows no table of peers.

For each peer, in any order, two values follow each other (specification mesh, section 12.1): a struct
`peerSummary` and a slice of struct `connectionSummary`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, pack_peer_name, unpack_peer_name
from weave_cli.router.mesh.peers import Link, Peer
from weave_cli.router.mesh.topology_links import UnusualEntry, read_entries, write_entries
from weave_cli.router.wire.gob_decode import MAX_ELEMENTS, GobDecoder
from weave_cli.router.wire.gob_encode import GobEncoder, encode_uint
from weave_cli.router.wire.gob_scan import end_of_message, read_uint, skip_definitions
from weave_cli.router.wire.gob_types import BOOL, BYTES, STRING, UINT, SliceOf, StructOf

_SUMMARY: Final = StructOf(
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
_LINKS: Final = SliceOf(
    StructOf(
        "connectionSummary",
        (("NameByte", BYTES), ("RemoteTCPAddr", STRING), ("Outbound", BOOL), ("Established", BOOL)),
    )
)

#: ShortID is a 16-bit field at the Go peers, who end a connection that brings them more.
_HIGHEST_SHORT_ID: Final = 2**16 - 1


#: Most descriptions come again and again: from every neighbour, and every 30 s. So the octets of one peer
#: and what they mean are remembered, for this many peers, unless there are very many octets.
_REMEMBERED_PEERS: Final = 1024
_LONGEST_REMEMBERED: Final = 2**14
#: Definitions of types differ between programs, and nearly not within one.
_REMEMBERED_SENDERS: Final = 64


def encode_peers(peers: Iterable[Peer]) -> bytes:
    """An update that describes these peers; no peers make no octets, which is a valid update."""
    parts = [part for peer in peers for part in _encode_peer(_ThisPeer(peer))]
    if parts:
        _, summary_definitions, links_definitions = _encoder()
        parts[:1] = [summary_definitions, parts[0], links_definitions]
    return b"".join(parts)


def decode_peers(data: bytes) -> list[Peer]:
    """The peers that an update describes, in its order; raises RemoteProtocolError when any part is bad."""
    peers = []
    definitions = b""
    at = 0
    while at < len(data):
        summary_at = skip_definitions(data, at)
        links_after = end_of_message(data, summary_at)
        links_at = skip_definitions(data, links_after)
        end = end_of_message(data, links_at)
        definitions += data[at:summary_at]
        summary = data[summary_at:links_after]
        if links_at > links_after:
            # What is defined between the two values must not serve the first.
            GobDecoder(definitions + summary).decode(_SUMMARY)
            definitions += data[links_after:links_at]
        decode = _decode_peer if end - summary_at <= _LONGEST_REMEMBERED else _decode_peer.__wrapped__
        peers.append(decode(definitions, summary + data[links_at:end]))
        at = end
    return peers


@functools.cache
def _encoder() -> tuple[GobEncoder, bytes, bytes]:
    """An encoder that has defined both types, and the octets that define each, the summary's first."""
    encoder = GobEncoder()
    definitions = []
    for kind, zero in ((_SUMMARY, {}), (_LINKS, [])):
        with_definitions, alone = encoder.encode(kind, zero), encoder.encode(kind, zero)
        definitions.append(with_definitions.removesuffix(alone))
    return encoder, definitions[0], definitions[1]


@functools.cache
def _links_prefix() -> bytes:
    """What a list of links begins with: the id of its type, and the octet of what is no struct."""
    encoder, _, _ = _encoder()
    return encoder.encode(_LINKS, [])[1:-1]


@dataclass(frozen=True, slots=True, eq=False)
class _ThisPeer:
    """A peer as a key that equals only itself: comparing long lists of links costs more than it saves."""

    peer: Peer

    def __hash__(self) -> int:
        return id(self.peer)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ThisPeer) and other.peer is self.peer


@functools.lru_cache(_REMEMBERED_PEERS)
def _encode_peer(this: _ThisPeer) -> tuple[bytes, bytes]:
    """Summary and links of one peer, without definitions."""
    encoder, _, _ = _encoder()
    body = _links_prefix() + encode_uint(len(this.peer.links)) + write_entries(this.peer.links)
    return encoder.encode(_SUMMARY, _summary_of(this.peer)), encode_uint(len(body)) + body


@functools.lru_cache(_REMEMBERED_PEERS)
def _decode_peer(definitions: bytes, messages: bytes) -> Peer:
    """The peer that two values describe."""
    decoder = _know(definitions).begin(messages)
    summary = decoder.decode(_SUMMARY)
    links = _read_links(decoder, messages[decoder.at :])
    if links is None:
        links = _links_from(decoder.decode(_LINKS))
    return _peer_from(summary, links)


@functools.lru_cache(_REMEMBERED_SENDERS)
def _know(definitions: bytes) -> GobDecoder:
    """A decoder to begin others from."""
    decoder = GobDecoder(definitions)
    decoder.read_definitions()
    return decoder


def _read_links(decoder: GobDecoder, message: bytes) -> tuple[Link, ...] | None:
    """The links, if their list is in the form that all routers write."""
    size, at = read_uint(message, 0)
    if at + size != len(message):
        return None
    number, at = read_uint(message, at)
    is_zero_there = message[at : at + 1] == b"\0"
    if number & 1 or not is_zero_there or not decoder.sends_just(number >> 1, _LINKS):
        return None
    count, at = read_uint(message, at + 1)
    if count > MAX_ELEMENTS:
        return None
    try:
        links = read_entries(message[at:])
    except UnusualEntry:
        return None
    return links if len(links) == count else None


def _summary_of(peer: Peer) -> dict[str, Any]:
    return {
        "NameByte": pack_peer_name(peer.name),
        "NickName": peer.nickname,
        "UID": peer.uid,
        "Version": peer.version,
        "ShortID": peer.short_id or 0,
        "HasShortID": peer.short_id is not None,
    }


def _links_from(links: list[dict[str, Any]]) -> tuple[Link, ...]:
    return tuple(
        Link(
            remote=_name_from(link["NameByte"]),
            address=link["RemoteTCPAddr"],
            outbound=link["Outbound"],
            established=link["Established"],
        )
        for link in links
    )


def _peer_from(summary: dict[str, Any], links: tuple[Link, ...]) -> Peer:
    short_id = summary["ShortID"]
    if short_id > _HIGHEST_SHORT_ID:
        raise RemoteProtocolError(f"short peer id {short_id} is more than 16 bits")
    return Peer(
        name=_name_from(summary["NameByte"]),
        nickname=summary["NickName"],
        uid=summary["UID"],
        version=summary["Version"],
        short_id=short_id if summary["HasShortID"] else None,
        links=links,
    )


def _name_from(octets: bytes) -> PeerName:
    if len(octets) != 6:
        raise RemoteProtocolError(f"peer name of {len(octets)} octets in a topology update")
    return unpack_peer_name(octets)
