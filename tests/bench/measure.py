"""What all benches share: paired runs, medians, the table, and an end without leftovers.

The machine is seldom ours alone, so each measure takes turns with its baseline, and what counts is the
comparison of the two.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final

NOISE: Final = (
    "Other work may share this machine: timings are noisy. Values are medians (lowest-highest), the\n"
    "baseline is of the same run, taken in turns. What misses its target narrowly is worth another run."
)


class BenchProblem(Exception):
    """A measure could not be taken; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table, as text. is_met: whether the target is reached; None: there is none."""

    measure: str
    value: str
    baseline: str = ""
    compared: str = ""
    target: str = ""
    is_met: bool | None = None


def alternate(runs: int, **measures: Callable[[], float]) -> dict[str, list[float]]:
    """Take each measure `runs` times, in turns."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(runs):
        for name, measure in measures.items():
            found[name].append(measure())
    return found


def paired_ratio(values: Sequence[float], baseline: Sequence[float]) -> float:
    """The median of the ratios of runs that were neighbours in time."""
    return statistics.median(value / base for value, base in zip(values, baseline, strict=True))


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> float:
    """The median of the differences of runs that were neighbours in time."""
    return statistics.median(value - base for value, base in zip(values, baseline, strict=True))


def spread(values: Sequence[float], unit: str, digits: int = 0) -> str:
    """`12 (11-15) ms`: median, lowest and highest."""
    middle, lowest, highest = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({lowest:.{digits}f}-{highest:.{digits}f}) {unit}"


def time_command(command: Sequence[str]) -> float:
    """Milliseconds from start to end of a command that must succeed; raises BenchProblem."""
    begun = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    spent_ms = (time.perf_counter() - begun) * 1000
    if done.returncode != 0:
        raise BenchProblem(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
    return spent_ms


def render(rows: Sequence[Row]) -> str:
    """The table."""
    titles = ("measure", "measured", "baseline", "compared", "target", "")
    marks = {None: "", True: "met", False: "MISSED"}
    lines = [titles] + [
        (row.measure, row.value, row.baseline, row.compared, row.target, marks[row.is_met]) for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def run_alone(take: Callable[[], list[Row]]) -> None:
    """The main of one bench: measure, print the table."""
    clean_up_when_ended()
    try:
        rows = take()
    except BenchProblem as problem:
        raise SystemExit(f"not measured: {problem}") from problem
    print(render(rows))
    print(NOISE)


def clean_up_when_ended() -> None:
    """Make the first Ctrl-C or SIGTERM leave through all context managers; later ones do nothing."""

    def end(number: int, frame: FrameType | None) -> None:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, end)
