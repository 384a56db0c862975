"""What a report says in one word where its numbers have to be weighed. Pure; a leaf beside the report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from weave_cli.reports import Dns, DnsEntry, Ipam

#: Of connections, in the order in which they are counted up.
CONNECTION_STATES: Final = ("established", "pending", "retrying", "failed", "connecting", "waiting")

#: How the Info of a live connection ends. Nicknames are free text: they may have brackets and line ends.
_WHO: Final = re.compile(r"((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\((.*)\)\Z", re.DOTALL)


class RingState(StrEnum):
    """How far the peers are with dividing the address range (specification http-api, section 5.1)."""

    IDLE = "idle"
    PRIMING = "priming"
    AWAITING_CONSENSUS = "awaiting-consensus"
    WAITING = "waiting"
    """Somebody waits for an address: there is none free."""
    UNREACHABLE = "unreachable"
    """All of the range belongs to peers that nobody reaches."""
    READY = "ready"


def find_ring_state(ipam: Ipam) -> RingState:
    """The first of the specification's states that applies."""
    entries = ipam["Entries"] or []
    if entries:
        if not any(entry["IsKnownPeer"] and entry["Size"] for entry in entries):
            return RingState.UNREACHABLE
        return RingState.WAITING if ipam["PendingAllocates"] else RingState.READY
    if paxos := ipam["Paxos"]:
        return RingState.AWAITING_CONSENSUS if paxos["Elector"] else RingState.PRIMING
    return RingState.IDLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A peer that owns addresses of the range."""

    name: str
    nickname: str
    size: int
    """How many addresses."""
    is_reachable: bool


def find_remote(info: str) -> tuple[str, str] | None:
    """Name and nickname of the peer at the other end, by a connection's Info; None: no peer is there yet."""
    found = _WHO.search(info)
    return (found[1], found[2]) if found else None


def list_owners(ipam: Ipam, own_name: str) -> list[Owner]:
    """Ourselves first, then by name."""
    owned: Counter[str] = Counter()
    entry_of = {}
    for entry in ipam["Entries"] or ():
        owned[entry["Peer"]] += entry["Size"]
        entry_of[entry["Peer"]] = entry
    return [
        Owner(
            name=name,
            nickname=entry_of[name]["Nickname"],
            size=owned[name],
            is_reachable=entry_of[name]["IsKnownPeer"],
        )
        for name in sorted(owned, key=lambda name: (name != own_name, name))
    ]


def living_names(dns: Dns) -> Iterator[DnsEntry]:
    """Names that weaveDNS answers with: those without a tombstone."""
    return (entry for entry in dns["Entries"] or () if not entry["Tombstone"])
