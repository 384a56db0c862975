"""Interrupts of a command, and what becomes of what it has begun.

While a command looks or waits, SIGINT, SIGTERM or SIGHUP ends it at once, by raising Interrupted. Steps that
must not be left half-way are `unbroken`: a signal waits for their end. What then was begun is either taken
back (`undoing`) or, where it cannot be, brought to its end. Interrupted knows which, for the one line that
a person reads.

A second signal within a second is the same impatience; a later one breaks an unbroken step, too.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

NOTHING: Final = "nothing was changed"
UNDONE: Final = "what was begun is undone"
FINISHED: Final = "what was begun was brought to its end first"
HALF: Final = "half-way; run it again to finish"

_SAME_IMPATIENCE_S: Final = 1.0


class Interrupted(BaseException):
    """A signal ends the command; `outcome` says what became of what it had begun."""

    def __init__(self, number: int, outcome: str) -> None:
        super().__init__(number, outcome)
        self.number = number
        self.outcome = outcome

    @property
    def status(self) -> int:
        """How a shell sees the end of a process that this signal ends."""
        return 128 + self.number


class _State:
    """Of this process: a signal knows no other."""

    def __init__(self) -> None:
        self.depth = 0
        self.pending: int | None = None
        self.heard_at = float("-inf")
        self.outcome = NOTHING


_state = _State()


def listen() -> None:
    """From now on the signals are ours; those that are ignored, as by nohup, stay so."""
    global _state
    _state = _State()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


def deafen() -> None:
    """The process is about to end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def finish() -> None:
    """The command has done its work: who interrupts it now comes too late."""
    _state.outcome = FINISHED


@contextmanager
def unbroken(outcome: str = NOTHING) -> Iterator[None]:
    """Let a signal wait until the step is over, and raise it then with this outcome.

    A step that fails says why instead. Steps may be nested; the outermost counts.
    """
    _state.depth += 1
    try:
        yield
    except BaseException:
        _state.depth -= 1
        raise
    if _state.depth == 1:
        _state.outcome = outcome
        if _state.pending is not None:
            number, _state.pending = _state.pending, None
            _state.depth = 0
            raise Interrupted(number, outcome)
    _state.depth -= 1


@contextmanager
def undoing(problem: BaseException) -> Iterator[None]:
    """Take back what was begun, on the way out because of `problem`; a signal meanwhile is of no account."""
    _state.depth += 1
    try:
        yield
        if isinstance(problem, Interrupted):
            problem.outcome = UNDONE
    finally:
        _state.depth -= 1
        if _state.depth == 0:
            _state.pending = None


def _on_signal(number: int, _: FrameType | None) -> None:
    now = time.monotonic()
    if now - _state.heard_at < _SAME_IMPATIENCE_S:
        return
    is_first = _state.heard_at == float("-inf")
    _state.heard_at = now
    if _state.depth == 0:
        raise Interrupted(number, _state.outcome)
    if is_first:
        _state.pending = number
        return
    raise Interrupted(number, HALF)
