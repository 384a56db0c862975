"""Interrupts: where they end a command, where they wait, and what is said of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from weave_cli import interrupts
from weave_cli.interrupts import FINISHED, HALF, NOTHING, UNDONE, Interrupted, unbroken, undoing

pytestmark = pytest.mark.unit


class Clock:
    """Stands for time.monotonic."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Signals are heard, as in a command."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in interrupts.SIGNALS}
    made = Clock()
    monkeypatch.setattr("weave_cli.interrupts.time.monotonic", made)
    interrupts.listen()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupt(number: signal.Signals = signal.SIGINT) -> None:
    signal.raise_signal(number)


def test_outside_of_steps_a_signal_ends_at_once() -> None:
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        interrupts.listen()
        with pytest.raises(Interrupted) as caught:
            interrupt(number)
        assert (caught.value.status, caught.value.outcome) == (status, NOTHING)


def test_a_step_is_brought_to_its_end_first() -> None:
    done = []
    with pytest.raises(Interrupted) as caught, unbroken(FINISHED):
        interrupt(signal.SIGTERM)
        with unbroken():
            done.append("inner")
        done.append("outer")
    assert (done, caught.value.status, caught.value.outcome) == (["inner", "outer"], 143, FINISHED)


def test_after_a_step_a_signal_ends_at_once_again_and_knows_of_it() -> None:
    with unbroken(FINISHED):
        pass
    with pytest.raises(Interrupted) as caught:
        interrupt()
    assert caught.value.outcome == FINISHED


def test_a_step_that_fails_says_why_instead() -> None:
    with pytest.raises(ZeroDivisionError), unbroken():
        interrupt()
        raise ZeroDivisionError


def test_what_is_undone_is_undone_whole_and_said() -> None:
    done = []
    with pytest.raises(Interrupted) as caught:
        try:
            interrupt()
        except Interrupted as problem:
            with undoing(problem):
                interrupt()
                with unbroken():
                    done.append("undone")
            raise
    assert (done, caught.value.outcome) == (["undone"], UNDONE)


def test_an_error_that_is_undone_stays_an_error(clock: Clock) -> None:
    with pytest.raises(ZeroDivisionError):
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as problem:
            with undoing(problem):
                interrupt()
            raise


def test_who_insists_breaks_even_a_step(clock: Clock) -> None:
    done = []
    with pytest.raises(Interrupted) as caught, unbroken(FINISHED):
        interrupt()
        clock.now += 0.9
        interrupt()
        done.append("the same impatience")
        clock.now += 0.2
        interrupt()
        done.append("too much")
    assert (done, caught.value.outcome) == (["the same impatience"], HALF)


def test_after_all_work_a_signal_says_that_it_was_done() -> None:
    interrupts.finish()
    with pytest.raises(Interrupted) as caught:
        interrupt()
    assert caught.value.outcome == FINISHED


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.listen()
    interrupt(signal.SIGHUP)


def test_at_the_end_nothing_is_heard() -> None:
    interrupts.deafen()
    for number in interrupts.SIGNALS:
        interrupt(number)
