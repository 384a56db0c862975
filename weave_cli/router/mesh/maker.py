"""The connection maker: brings together who the user named, what the mesh tells, and what was tried.

Follows the specification mesh, section 14. Knows no socket: `evaluate` gives the addresses to dial.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from weave_cli.names import UNKNOWN_PEER, PeerName
from weave_cli.router.mesh.discovery import discovered, wanted_direct
from weave_cli.router.mesh.ourself import Ourself
from weave_cli.router.mesh.pacing import Pacer
from weave_cli.router.mesh.peers import PeerTable
from weave_cli.router.mesh.targets import DirectTarget, Targets
from weave_cli.router.mesh.views import TargetView

#: Looking through all connections of all peers is work, so rounds of it keep this distance, in seconds.
_EVALUATION_GAP_S = 0.1


class ConnectionMaker:
    """`port` is taken for addresses without one; without `discovery` only direct peers are dialled."""

    def __init__(
        self, ourself: Ourself, peers: PeerTable, *, port: int, discovery: bool, rng: random.Random
    ) -> None:
        self._ourself = ourself
        self._peers = peers
        self._port = port
        self._discovery = discovery
        self._targets = Targets(rng)
        self._direct: dict[str, DirectTarget] = {}
        self._evaluations = Pacer(_EVALUATION_GAP_S)

    def connect(self, targets: Sequence[DirectTarget], *, replace: bool, now: float) -> None:
        """Add direct peers, or put these in place of all others."""
        if replace:
            self._direct.clear()
        self._direct.update((target.text, target) for target in targets)
        self._targets.try_now([target.dialled(self._port) for target in targets], now)
        self.refresh(now)

    def forget(self, texts: Iterable[str], now: float) -> None:
        """Remove direct peers by their texts; unknown texts are ignored."""
        for text in texts:
            self._direct.pop(text, None)
        self.refresh(now)

    def is_direct(self, address: str) -> bool:
        """True when the address is that of a peer the user named, who may then be anybody."""
        return address in self._direct_addresses()

    def give_up(self, address: str, reason: str) -> None:
        """The address leads to ourselves or to our own name: never again, unless the user asks."""
        self._targets.give_up(address, reason)

    def dial_failed(self, address: str, reason: str, now: float) -> None:
        """An attempt ended before a remote was known."""
        self._targets.failed(address, reason, now)
        self.refresh(now)

    def refused(self, address: str, remote: PeerName, reason: str, now: float) -> None:
        """An attempt led to this remote, and was not taken up."""
        self._targets.refused(address, remote, reason, now)
        self.refresh(now)

    def connected(self, address: str, remote: PeerName) -> None:
        """An attempt became a connection."""
        self._targets.connected(address, remote)

    def ended(self, address: str, reason: str, now: float) -> None:
        """A connection that came of an attempt is over."""
        self._targets.ended(address, reason, now)
        self.refresh(now)

    def refresh(self, now: float) -> None:
        """Something changed that targets follow from; look through them soon."""
        self._evaluations.ask(now)

    def next_wake(self) -> float | None:
        """When `evaluate` has something to do for the passing of time alone."""
        due = self._evaluations.due
        return self._targets.next_try if due is None else due

    def evaluate(self, now: float) -> list[str]:
        """The addresses to dial now; nothing when no round is due."""
        next_try = self._targets.next_try
        if next_try is not None and next_try <= now:
            self.refresh(now)
        if not self._evaluations.take(now):
            return []
        direct = self._direct_addresses()
        wanted = self._wanted()
        patient = {address for address, remote in wanted.items() if remote > self._ourself.name} - direct
        due = self._targets.due(wanted, direct, self._ourself.is_connected_to, now, patient)
        problem = self._ourself.limit_problem()
        if problem is None:
            return due
        for address in due:
            self._targets.failed(address, problem, now)
        return []

    def set_back(self, by_s: float) -> None:
        """The clock was set back."""
        self._evaluations.set_back(by_s)
        self._targets.set_back(by_s)

    def targets(self) -> tuple[TargetView, ...]:
        """The addresses that wait for an attempt or are being tried."""
        return self._targets.views()

    def direct_targets(self) -> tuple[str, ...]:
        """The texts that the user gave, in their order."""
        return tuple(self._direct)

    def _wanted(self) -> dict[str, PeerName]:
        """The valid targets; with the names of those that others told us of, else with nobody's."""
        connections = list(self._ourself.connections)
        wanted = dict.fromkeys(wanted_direct(self._direct.values(), connections, self._port), UNKNOWN_PEER)
        if self._discovery:
            wanted.update(discovered(self._ourself.name, self._peers, connections, self._port))
        for connection in connections:
            wanted.pop(connection.address, None)
        return wanted

    def _direct_addresses(self) -> set[str]:
        return {target.dialled(self._port) for target in self._direct.values()}
