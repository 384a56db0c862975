"""What one message of channel `networks` says, and its octets.

    {"peers": {"7a4200000001": [VERSION, ["b198f4", ...]], ...}, "networks": {as in definitions.py}}

A peer's row has the numbers of the realms that it has devices of; of two rows the one with the higher version
holds. Keys that we do not know are ignored: later versions may say more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from weave_cli.errors import RemoteProtocolError, UsageProblem
from weave_cli.names import UNKNOWN_PEER, PeerName
from weave_cli.router.networks.definitions import (
    LARGEST_VERSION,
    Definition,
    decode_definitions,
    encode_definitions,
    merge_definitions,
)

#: A mesh of a thousand hosts with a hundred realms each needs a tenth.
LARGEST_MESSAGE: Final = 16 << 20
#: About as much as a message should hold, and what a row and a number in it take.
_PART_OCTETS: Final = 4 << 20
_ROW_OCTETS: Final = 60
_VNI_OCTETS: Final = 9
_MOST_PEERS: Final = 65_536
_MOST_REALMS: Final = 65_536

_PEER = re.compile(r"[0-9a-f]{12}", re.ASCII)
_VNI = re.compile(r"[0-9a-f]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Presence:
    """The realms of one peer, by number, as of that version."""

    version: int
    vnis: frozenset[int]


@dataclass(frozen=True, slots=True)
class NetworkNews:
    """Fulfils the role GossipData."""

    peers: Mapping[PeerName, Presence] = field(default_factory=dict)
    networks: Mapping[str, Definition] = field(default_factory=dict)

    def merge(self, other: Self) -> Self:
        merged = dict(self.peers)
        for name, row in other.peers.items():
            if name not in merged or row.version > merged[name].version:
                merged[name] = row
        return type(self)(merged, merge_definitions(self.networks, other.networks))

    def split(self) -> Sequence[Self]:
        """Itself, or parts of it: to a receiver every message is only more rows to merge."""
        parts: list[dict[PeerName, Presence]] = [{}]
        size = 0
        for name, row in self.peers.items():
            size += _ROW_OCTETS + _VNI_OCTETS * len(row.vnis)
            if size > _PART_OCTETS and parts[-1]:
                parts.append({})
                size = 0
            parts[-1][name] = row
        if len(parts) == 1:
            return (self,)
        # All definitions together are small.
        return [type(self)(parts[0], self.networks), *(type(self)(part) for part in parts[1:])]

    def encode(self, now: float) -> bytes:
        rows = {
            f"{name:012x}": [row.version, [f"{vni:06x}" for vni in sorted(row.vnis)]]
            for name, row in sorted(self.peers.items())
        }
        said: dict[str, Any] = {"peers": rows} if rows else {}
        if self.networks:
            said["networks"] = encode_definitions(self.networks)
        return json.dumps(said, separators=(",", ":")).encode()


def decode_news(octets: bytes) -> NetworkNews:
    """Raises RemoteProtocolError for what no router of ours says."""
    if len(octets) > LARGEST_MESSAGE:
        raise RemoteProtocolError(f"news of networks of {len(octets)} octets")
    try:
        said = json.loads(octets)
    except (ValueError, RecursionError) as problem:
        raise RemoteProtocolError(f"news of networks are no JSON: {problem}") from problem
    rows = said.get("peers", {}) if isinstance(said, dict) else None
    if not isinstance(rows, dict) or len(rows) > _MOST_PEERS:
        raise RemoteProtocolError("news of networks without a table of peers")
    try:
        networks = decode_definitions(said.get("networks", {}))
    except UsageProblem as problem:
        raise RemoteProtocolError(f"news of networks: {problem}") from problem
    return NetworkNews({_read_peer(key): _read_presence(row) for key, row in rows.items()}, networks)


def _read_peer(text: str) -> PeerName:
    if not _PEER.fullmatch(text) or int(text, 16) == UNKNOWN_PEER:
        raise RemoteProtocolError(f"news of networks of no peer: {text!r:.40}")
    return PeerName(int(text, 16))


def _read_presence(row: Any) -> Presence:
    match row:
        case [int(version), list(vnis)] if (
            type(version) is int and 0 <= version <= LARGEST_VERSION and len(vnis) <= _MOST_REALMS
        ):
            if all(isinstance(vni, str) and _VNI.fullmatch(vni) for vni in vnis):
                return Presence(version, frozenset(int(vni, 16) for vni in vnis))
    raise RemoteProtocolError(f"news of networks with a malformed row: {row!r:.80}")
