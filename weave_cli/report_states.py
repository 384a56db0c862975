"""What a report says in one word where its numbers have to be weighed. Pure; a leaf beside the report."""

from __future__ import annotations

from enum import StrEnum

from weave_cli.reports import Ipam


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
