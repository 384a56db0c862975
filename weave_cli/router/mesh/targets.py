"""Addresses that we want a connection to, and when each is dialled next. Knows no connection, no peer table.

Follows the specification mesh, section 14. One rule is added: a target that has turned out to lead to a
peer which is connected by another way is left alone while that is so. Dialling it could only end in
`Multiple connections`, or replace a connection that works. And of two peers that hear of each other, only
the one with the higher name dials at once: else each pair of a mesh that comes to be would meet twice.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.mesh.views import TargetView

FIRST_INTERVAL_S: Final = 2.0
#: The Go routers wait up to six minutes; but a host that was down for long should be found soon.
LONGEST_INTERVAL_S: Final = 60.0
INTERVAL_GROWTH: Final = 1.5

#: Of two peers that hear of each other one dials at once; the other gives it this long, times 1 to 2.
PATIENCE_S: Final = 2.0
#: In a large mesh there is much to dial: with so many addresses to wait for, twice as long.
_PATIENCE_DOUBLES_AT: Final = 20

#: A connection that lasted this long shows that the target works: its interval starts anew.
STABLE_AFTER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class DirectTarget:
    """A peer as the user gave it (`host` or `host:port`) and its resolved address, `ip` or `ip:port`.

    Without a port the address gets our own, and is not dialled while that host is connected to us
    inbound, as it then listens on a port that we do not know.
    """

    text: str
    address: str

    @property
    def has_port(self) -> bool:
        return self.address.rpartition("]")[2].count(":") == 1

    def dialled(self, our_port: int) -> str:
        """The address with a port: its own or ours."""
        return self.address if self.has_port else f"{self.address}:{our_port}"


class _State(enum.Enum):
    WAITING = enum.auto()
    ATTEMPTING = enum.auto()
    CONNECTED = enum.auto()
    SUSPENDED = enum.auto()


@dataclass(slots=True, eq=False)
class _Target:
    """One address. `next_try` None means never; `remote` is the peer it was last seen to lead to."""

    address: str
    next_try: float | None
    state: _State = _State.WAITING
    interval_s: float = FIRST_INTERVAL_S
    tried_at: float = 0.0
    error: str | None = None
    hopeless: bool = False
    remote: PeerName | None = None

    @property
    def is_idle(self) -> bool:
        return self.state in (_State.WAITING, _State.SUSPENDED)


class Targets:
    """Every address that is or was wanted, with its state."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._targets: dict[str, _Target] = {}
        self._next_try: float | None = None

    @property
    def next_try(self) -> float | None:
        """When `due` should be asked again for the passing of time alone; None for never."""
        return self._next_try

    def due(
        self,
        wanted: Collection[str],
        direct: Collection[str],
        is_connected: Callable[[PeerName], bool],
        now: float,
        patient: Collection[str] = (),
    ) -> list[str]:
        """The addresses to dial now; they count as attempted from here on.

        `wanted` are the valid targets of the moment, `direct` all addresses of direct peers, wanted or not,
        `patient` those of peers that should dial us.
        """
        patience_s = PATIENCE_S * (1 + len(patient) / _PATIENCE_DOUBLES_AT)
        for address in sorted(wanted):
            if address not in self._targets:
                wait_s = self._rng.uniform(patience_s, 2 * patience_s) if address in patient else 0
                self._targets[address] = _Target(address, next_try=now + wait_s)
        for target in [target for target in self._targets.values() if target.is_idle]:
            self._settle(target, wanted, direct, is_connected)
        waiting = [target for target in self._targets.values() if target.state is _State.WAITING]
        due = [target for target in waiting if target.next_try is not None and target.next_try <= now]
        for target in due:
            target.state = _State.ATTEMPTING
            target.tried_at = now
        later = [target.next_try for target in waiting if target.state is _State.WAITING]
        self._next_try = min((moment for moment in later if moment is not None), default=None)
        return [target.address for target in due]

    def _settle(
        self,
        target: _Target,
        wanted: Collection[str],
        direct: Collection[str],
        is_connected: Callable[[PeerName], bool],
    ) -> None:
        if target.address in wanted:
            leads_nowhere_new = target.remote is not None and is_connected(target.remote)
            target.state = _State.SUSPENDED if leads_nowhere_new else _State.WAITING
        elif target.address in direct:
            target.state = _State.SUSPENDED
        else:
            del self._targets[target.address]

    def try_now(self, addresses: Iterable[str], now: float) -> None:
        """The user asks for these again: known ones that only wait are due at once, hopeless ones too."""
        for address in addresses:
            target = self._targets.get(address)
            if target is not None and target.is_idle:
                target.next_try = now
                target.interval_s = FIRST_INTERVAL_S
                target.hopeless = False

    def give_up(self, address: str, reason: str) -> None:
        """The address leads to ourselves or to a name collision: never try it again unless asked."""
        if target := self._targets.get(address):
            target.hopeless = True
            target.error = reason

    def failed(self, address: str, reason: str, now: float) -> None:
        """An attempt ended before it was a connection; the interval grows."""
        if target := self._targets.get(address):
            self._back_off(target, reason, now)

    def connected(self, address: str, remote: PeerName) -> None:
        """The attempt led to this peer, and the connection was added."""
        if target := self._targets.get(address):
            target.state = _State.CONNECTED
            target.error = None
            target.hopeless = False
            target.remote = remote

    def refused(self, address: str, remote: PeerName, reason: str, now: float) -> None:
        """The attempt led to this peer, but the connection was not added."""
        if target := self._targets.get(address):
            target.remote = remote
            self._back_off(target, reason, now)

    def ended(self, address: str, reason: str, now: float) -> None:
        """The connection that came of the address is over; soon again if it was a good one."""
        target = self._targets.get(address)
        if target is None:
            return
        if now - target.tried_at > STABLE_AFTER_S and not target.hopeless:
            target.state = _State.WAITING
            target.error = reason
            target.next_try = now
            target.interval_s = FIRST_INTERVAL_S
        else:
            self._back_off(target, reason, now)

    def _back_off(self, target: _Target, reason: str, now: float) -> None:
        target.state = _State.WAITING
        target.error = reason
        if target.hopeless:
            target.next_try = None
            return
        target.next_try = now + target.interval_s / 2 + self._rng.uniform(0, target.interval_s)
        target.interval_s = min(target.interval_s * INTERVAL_GROWTH, LONGEST_INTERVAL_S)

    def set_back(self, by_s: float) -> None:
        """The clock was set back."""
        for target in self._targets.values():
            target.tried_at -= by_s
            if target.next_try is not None:
                target.next_try -= by_s
        if self._next_try is not None:
            self._next_try -= by_s

    def views(self) -> tuple[TargetView, ...]:
        """The targets that wait or are being tried, as `weave status connections` shows them."""
        return tuple(
            TargetView(
                address=target.address,
                state=_shown_state(target),
                last_error=target.error,
                next_try=target.next_try if target.state is _State.WAITING else None,
            )
            for target in self._targets.values()
            if target.state in (_State.WAITING, _State.ATTEMPTING)
        )


def _shown_state(target: _Target) -> str:
    if target.state is _State.WAITING:
        return "waiting" if target.error is None else "failed"
    return "connecting" if target.error is None else "retrying"
