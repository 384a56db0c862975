"""The only place that prints: what was asked for on stdout, all the rest on stderr. Knows no operation."""

from __future__ import annotations

import sys
import traceback
from typing import Final

from weave_cli.errors import WeaveError

DEFECT_HINT: Final = "This is a defect of weave. WEAVE_DEBUG=1 shows where it happened."


def show(text: str) -> None:
    """Something asked for, as a line."""
    sys.stdout.write(f"{text}\n")


def show_raw(text: str) -> None:
    """Something asked for, exactly as it is: nothing added."""
    sys.stdout.write(text)


def tell(text: str) -> None:
    """Something else that a person should know, as a line."""
    sys.stderr.write(f"{text}\n")


def tell_problem(problem: WeaveError) -> None:
    """What failed, then what to do."""
    tell(problem.message)
    if problem.hint:
        tell(problem.hint)


def tell_defect(defect: BaseException, *, wants_trace: bool) -> None:
    """An error that nobody foresaw: one line, and how to learn more; or all of it."""
    if wants_trace:
        tell("".join(traceback.format_exception(defect)).rstrip())
        return
    tell(describe_defect(defect))
    tell(DEFECT_HINT)


def describe_defect(defect: BaseException) -> str:
    """Its line."""
    reason = str(defect).strip().partition("\n")[0]
    return f"unexpected {type(defect).__name__}{': ' + reason if reason else ''}"
