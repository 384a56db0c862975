"""Which overlay carries a connection's frames, pure (specification overlay, section 1.2).

All overlays that both ends know are tried side by side, and stay alive side by side. The best that works
carries the frames; one that is held is tried on and comes back; one that failed does not. A narrow one works,
but loses large frames: it carries while none other does. A connection is established with its first working
overlay and over when none works nor may yet work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class _State(Enum):
    PENDING = auto()
    WORKING = auto()
    NARROW = auto()
    HELD = auto()
    FAILED = auto()


#: States in which frames get through, best first.
_CARRYING: Final = (_State.WORKING, _State.NARROW)


@dataclass(frozen=True, slots=True)
class BestChanged:
    """Frames go by overlay `now` instead of `before`; None: by none."""

    before: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class NoneWorks:
    """The connection is over; `reason` tells what became of each overlay."""

    reason: str


SwitchEvent = BestChanged | NoneWorks


class OverlaySwitch:
    """The overlays of one connection. Each call answers what follows from it, or None."""

    def __init__(self, tried: Sequence[str], obstacles: Mapping[str, str]) -> None:
        """`tried`: best first. `obstacles`: overlays that are not tried at all, and why not."""
        self._states = dict.fromkeys(tried, _State.PENDING)
        self._reasons = dict(obstacles)
        self._is_over = False
        self.best: str | None = None

    def established(self, name: str) -> SwitchEvent | None:
        """The overlay works, for the first time or again."""
        return self._change(name, _State.WORKING, None)

    def narrowed(self, name: str, reason: str) -> SwitchEvent | None:
        """It works, for the first time or again, but large frames get lost."""
        return self._change(name, _State.NARROW, reason)

    def held(self, name: str, reason: str) -> SwitchEvent | None:
        """It does not work now."""
        return self._change(name, _State.HELD, reason)

    def failed(self, name: str, reason: str) -> SwitchEvent | None:
        """It never will again on this connection."""
        return self._change(name, _State.FAILED, reason)

    def why_not_better(self) -> dict[str, str]:
        """Why each overlay that would be better than the best does not carry the frames, as far as known."""
        better = {name for name in self._reasons if name not in self._states}
        for name in self._states:
            if name == self.best:
                break
            better.add(name)
        return {name: reason for name, reason in self._reasons.items() if name in better}

    def works(self, name: str) -> bool:
        """Whether that overlay works now, best or not."""
        return self._states.get(name) in _CARRYING

    def is_narrow(self, name: str) -> bool:
        """Whether it works, but loses large frames."""
        return self._states.get(name) is _State.NARROW

    def may_yet_work(self, name: str) -> bool:
        """Whether it was neither held nor given up so far."""
        return self._states.get(name) in (_State.PENDING, *_CARRYING)

    def _change(self, name: str, state: _State, reason: str | None) -> SwitchEvent | None:
        if self._is_over or self._states[name] is _State.FAILED:
            return None
        self._states[name] = state
        if reason is None:
            self._reasons.pop(name, None)
        else:
            self._reasons[name] = reason
        if not any(self.may_yet_work(one) for one in self._states):
            self._is_over = True
            self.best = None
            return NoneWorks("; ".join(f"{one}: {why}" for one, why in self._reasons.items()))
        before = self.best
        by_worth = (one for worth in _CARRYING for one, its in self._states.items() if its is worth)
        self.best = next(by_worth, None)
        return BestChanged(before, self.best) if self.best != before else None
