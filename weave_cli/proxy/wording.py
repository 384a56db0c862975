"""Our errors as one line of Docker's (pure): clients show what failed, and should show what to do."""

from __future__ import annotations

from weave_cli.errors import WeaveError

_ENDS = (".", "?", "!", ":")


def describe(problem: WeaveError) -> str:
    """What failed and what to do, as sentences."""
    if problem.hint is None:
        return problem.message
    stop = "" if problem.message.endswith(_ENDS) else "."
    return f"{problem.message}{stop} {problem.hint}"
