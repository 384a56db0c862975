"""Our part in the first agreement: when we begin one, with what quorum, and what others hear of it.

Specification ipam, section 4; the voting itself is `consensus`. Knows no ring and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from weave_cli.names import PeerName
from weave_cli.router.ipam.consensus import Claims, Consensus, NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How the first ring comes to be (section 4.1).

    peer_count: hosts that there will be at first; 0: what count_targets says when the election starts.
    seeds: names that divide the range without an election. is_observer: waits for the others' ring.
    """

    peer_count: int = 0
    count_targets: Callable[[], int] = lambda: 0
    seeds: tuple[PeerName, ...] = ()
    is_observer: bool = False

    def quorum(self) -> int:
        """How many peers must agree."""
        peers = self.peer_count or self.count_targets() + 1
        return peers // 2 + 1


class Election:
    """Begins when somebody waits for a ring, ends when there is one."""

    def __init__(self, node: NodeId, setup: Setup) -> None:
        self._node = node
        self._setup = setup
        self._consensus: Consensus | None = None
        #: We began it, and propose again every few seconds; observers ask again instead.
        self.is_running = False

    @property
    def is_elector(self) -> bool:
        return not self._setup.is_observer

    @property
    def quorum(self) -> int:
        """0 while we propose nothing."""
        return self._consensus.quorum if self._consensus else 0

    @property
    def known_nodes(self) -> int:
        return len(self._consensus.knows) if self._consensus else 0

    def claims_to_send(self) -> Mapping[NodeId, Claims] | None:
        """What others hear: present even if empty for electors, None for observers (section 3.1)."""
        if not self.is_elector:
            return None
        return self._consensus.knows if self._consensus else {}

    def propose(self) -> None:
        """Begin, or begin another round; what came of it has to be broadcast."""
        if self.is_elector:
            voting = self._voting()
            if not self.is_running:
                voting.quorum = self._setup.quorum()
            voting.propose()
        self.is_running = True

    def follow(self, theirs: Mapping[NodeId, Claims]) -> bool:
        """Hear the claims of others; True when ours changed and have to be broadcast."""
        if not self.is_elector or not theirs:
            return False
        voting = self._voting()
        return voting.update(theirs) and voting.think()

    def decision(self) -> tuple[PeerName, ...] | None:
        """The names that divide the range, once that is agreed."""
        return self._consensus.decision() if self._consensus else None

    def end(self) -> None:
        """There is a ring."""
        self._consensus = None
        self.is_running = False

    def _voting(self) -> Consensus:
        if self._consensus is None:
            self._consensus = Consensus(self._node)
        return self._consensus
