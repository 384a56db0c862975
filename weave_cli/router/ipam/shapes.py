"""The allocator's messages in gob (specification ipam, section 3; channel `IPallocation`). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from weave_cli.addresses import Range
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.ipam.consensus import Claims, NodeId, ProposalId
from weave_cli.router.ipam.ring import Entry, Ring
from weave_cli.router.wire.gob_decode import decode_stream
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_types import INT, STRING, UINT, MapOf, SliceOf, StructOf

CHANNEL: Final = "IPallocation"

_NODE_ID: Final = StructOf("NodeID", (("Name", UINT), ("UID", UINT)))
_PROPOSAL: Final = StructOf("ProposalID", (("Round", UINT), ("Proposer", _NODE_ID)))
_ACCEPTED: Final = StructOf("AcceptedValue", (("Value", SliceOf(UINT)), ("Origin", _PROPOSAL)))
_CLAIMS: Final = StructOf(
    "NodeClaims", (("Promise", _PROPOSAL), ("Accepted", _PROPOSAL), ("AcceptedVal", _ACCEPTED))
)
_ENTRY: Final = StructOf("entry", (("Token", UINT), ("Peer", UINT), ("Version", UINT), ("Free", UINT)))
_RING: Final = StructOf(
    "Ring",
    (("Start", UINT), ("End", UINT), ("Peer", UINT), ("Entries", SliceOf(_ENTRY)), ("Seeds", SliceOf(UINT))),
)
_STATE: Final = StructOf(
    "gossipState",
    (("Now", INT), ("Nicknames", MapOf(UINT, STRING)), ("Paxos", MapOf(_NODE_ID, _CLAIMS)), ("Ring", _RING)),
    optional=frozenset({"Paxos", "Ring"}),
)
_RANGE: Final = StructOf("Range", (("Start", UINT), ("End", UINT)))


class UnicastKind(IntEnum):
    """First octet of a unicast (section 3.2)."""

    SPACE_REQUEST = 0
    RING_UPDATE = 1
    SPACE_DENIED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a peer knows. paxos: None from those who do not elect; ring: None while there is none."""

    now: int
    sender: PeerName
    nicknames: Mapping[PeerName, str] = field(default_factory=dict)
    paxos: Mapping[NodeId, Claims] | None = None
    ring: Ring | None = None


def encode_state(state: State) -> bytes:
    """The payload of gossip and broadcasts, and of ring updates behind their octet."""
    value: dict[str, Any] = {"Now": state.now, "Nicknames": dict(state.nicknames)}
    if state.paxos is not None:
        value["Paxos"] = [(_node_out(node), _claims_out(claims)) for node, claims in state.paxos.items()]
    if state.ring is not None:
        value["Ring"] = {
            "Start": state.ring.whole.start,
            "End": state.ring.whole.end,
            "Peer": state.sender,
            "Entries": [
                {"Token": one.token, "Peer": one.peer, "Version": one.version, "Free": one.free}
                for one in state.ring.entries
            ],
            "Seeds": list(state.ring.seeds),
        }
    return encode_stream((_STATE, value))


def decode_state(data: bytes) -> State:
    """Raises RemoteProtocolError."""
    (value,) = decode_stream(data, _STATE)
    ring = value["Ring"]
    paxos = value["Paxos"]
    return State(
        now=value["Now"],
        sender=_peer_in(ring["Peer"]) if ring else PeerName(0),
        nicknames={_peer_in(name): nickname for name, nickname in (value["Nicknames"] or {}).items()},
        paxos=None if paxos is None else {_node_in(node): _claims_in(claims) for node, claims in paxos},
        ring=None if ring is None else _ring_in(ring),
    )


def encode_range(part: Range) -> bytes:
    """What a space request asks for, or its denial refuses."""
    return encode_stream((_RANGE, {"Start": part.start, "End": part.end}))


def decode_range(data: bytes) -> Range:
    """Raises RemoteProtocolError."""
    (value,) = decode_stream(data, _RANGE)
    part = Range(_address_in(value["Start"]), _address_in(value["End"]))
    if part.start >= part.end:
        raise RemoteProtocolError(f"space request for the empty range {value}")
    return part


def _ring_in(value: dict[str, Any]) -> Ring:
    whole = Range(_address_in(value["Start"]), _address_in(value["End"]))
    entries = [
        Entry(
            token=_address_in(one["Token"]),
            peer=_peer_in(one["Peer"]),
            version=_small_in(one["Version"]),
            free=_small_in(one["Free"]),
        )
        for one in value["Entries"]
    ]
    if whole.start >= whole.end:
        raise RemoteProtocolError(f"ring over the empty range {whole.start}-{whole.end}")
    return Ring(whole, entries, map(_peer_in, value["Seeds"]))


def _node_out(node: NodeId) -> dict[str, Any]:
    return {"Name": node.name, "UID": node.uid}


def _proposal_out(proposal: ProposalId) -> dict[str, Any]:
    return {"Round": proposal.round, "Proposer": _node_out(proposal.proposer)}


def _claims_out(claims: Claims) -> dict[str, Any]:
    return {
        "Promise": _proposal_out(claims.promise),
        "Accepted": _proposal_out(claims.accepted),
        "AcceptedVal": {"Value": sorted(claims.value), "Origin": _proposal_out(claims.origin)},
    }


def _node_in(value: dict[str, Any]) -> NodeId:
    return NodeId(_peer_in(value["Name"]), value["UID"])


def _proposal_in(value: dict[str, Any]) -> ProposalId:
    if value["Round"] >= 1 << 63:
        # The next round would have to be higher still; no election ever comes near.
        raise RemoteProtocolError(f"election in round {value['Round']}")
    return ProposalId(value["Round"], _node_in(value["Proposer"]))


def _claims_in(value: dict[str, Any]) -> Claims:
    accepted = value["AcceptedVal"]
    return Claims(
        _proposal_in(value["Promise"]),
        _proposal_in(value["Accepted"]),
        frozenset(map(_peer_in, accepted["Value"])),
        _proposal_in(accepted["Origin"]),
    )


def _peer_in(number: int) -> PeerName:
    if number >= 1 << 48:
        raise RemoteProtocolError(f"peer name of more than six octets: {number:#x}")
    return PeerName(number)


def _address_in(number: int) -> int:
    if number > 1 << 32:
        raise RemoteProtocolError(f"address of more than 32 bits: {number:#x}")
    return number


def _small_in(number: int) -> int:
    if number >= 1 << 32:
        raise RemoteProtocolError(f"number of more than 32 bits in a ring: {number}")
    return number
