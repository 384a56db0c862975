"""The first agreement: which peers divide the range among themselves. Paxos, spread by gossip. Pure.

Specification ipam, section 4.2. Everybody sends everything it knows of everybody's claims; whoever sees the
same proposal accepted by a quorum knows the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from weave_cli.names import UNKNOWN_PEER, PeerName


@dataclass(frozen=True, slots=True, order=True)
class NodeId:
    """A voter. The uid makes a restarted router another one: it may have forgotten its promises."""

    name: PeerName
    uid: int


@dataclass(frozen=True, slots=True, order=True)
class ProposalId:
    """Proposals are ordered by round, then proposer; round 0 is none."""

    round: int
    proposer: NodeId


NO_PROPOSAL: Final = ProposalId(0, NodeId(UNKNOWN_PEER, 0))


@dataclass(frozen=True, slots=True)
class Claims:
    """What a node has promised and accepted. origin: the proposal that first had the accepted value."""

    promise: ProposalId = NO_PROPOSAL
    accepted: ProposalId = NO_PROPOSAL
    value: frozenset[PeerName] = field(default_factory=frozenset)
    origin: ProposalId = NO_PROPOSAL


class Consensus:
    """One node's part in the election."""

    def __init__(self, node: NodeId, quorum: int = 0) -> None:
        """quorum: 0 until we propose something ourselves; without one we promise and accept, but decide
        nothing, as the others' quorum may be larger than ours would be.
        """
        self._node = node
        self.quorum = quorum
        self.knows: dict[NodeId, Claims] = {}

    def propose(self) -> None:
        """Begin a round that is higher than all that we know of."""
        highest = max(
            (max(claims.promise.round, claims.accepted.round) for claims in self.knows.values()), default=0
        )
        ours = self._ours
        promise = ProposalId(highest + 1, self._node)
        self.knows[self._node] = Claims(promise, ours.accepted, ours.value, ours.origin)
        if self.quorum == 1:
            self.think()

    def update(self, theirs: Mapping[NodeId, Claims]) -> bool:
        """Take higher promises and acceptances of each node; True when any were."""
        changed = False
        for node, claims in theirs.items():
            known = self.knows.get(node)
            merged = claims if known is None else _higher(known, claims)
            if merged != known:
                self.knows[node] = merged
                changed = True
        return changed

    def think(self) -> bool:
        """Draw conclusions for ourselves; True when our own claims changed."""
        before = self.knows.get(self._node)
        ours = self._ours
        promise = max((claims.promise for claims in self.knows.values()), default=NO_PROPOSAL)
        ours = Claims(max(promise, ours.promise), ours.accepted, ours.value, ours.origin)
        self.knows[self._node] = ours
        if ours.promise.proposer == self._node and ours.accepted != ours.promise:
            ours = self._accept_own(ours)
        for claims in self.knows.values():
            if claims.accepted == ours.promise != NO_PROPOSAL and ours.accepted != ours.promise:
                ours = Claims(ours.promise, claims.accepted, claims.value, claims.origin)
        self.knows[self._node] = ours
        return ours != before

    def decision(self) -> tuple[PeerName, ...] | None:
        """The agreed names, ascending; None while there are none."""
        if not self.quorum:
            return None
        accepted = [claims for claims in self.knows.values() if claims.accepted != NO_PROPOSAL]
        votes = Counter(claims.origin for claims in accepted)
        for claims in accepted:
            # An agreement on nobody would divide the range among nobody; only a broken peer says so.
            if votes[claims.origin] >= self.quorum and claims.value:
                return tuple(sorted(claims.value))
        return None

    @property
    def _ours(self) -> Claims:
        return self.knows.get(self._node, Claims())

    def _accept_own(self, ours: Claims) -> Claims:
        """Our own proposal, when a quorum has promised it: with the value it is bound to, or ours."""
        promised = [claims for claims in self.knows.values() if claims.promise == ours.promise]
        if len(promised) < self.quorum:
            return ours
        bound = max(promised, key=lambda claims: claims.accepted)
        if bound.accepted == NO_PROPOSAL:
            value, origin = frozenset(node.name for node in self.knows), ours.promise
        else:
            value, origin = bound.value, bound.origin
        return Claims(ours.promise, ours.promise, value, origin)


def _higher(one: Claims, other: Claims) -> Claims:
    accepted = other if other.accepted > one.accepted else one
    return Claims(max(one.promise, other.promise), accepted.accepted, accepted.value, accepted.origin)
