"""Lengths of time as people write them: 30s, 2m, 1m30s, 500ms; a bare number is seconds. Pure."""

from __future__ import annotations

import re
from typing import Final

from weave_cli.errors import UsageProblem

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_BARE: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def looks_like_duration(text: str) -> bool:
    """Whether it would parse."""
    return bool(_BARE.fullmatch(text) or re.fullmatch(f"(?:{_PART.pattern})+", text))


def parse_duration(text: str) -> float:
    """Seconds; raises UsageProblem naming the text."""
    if not looks_like_duration(text):
        raise UsageProblem(f"{text!r} is no length of time", hint="It looks like 30s, 2m or 1m30s.")
    if _BARE.fullmatch(text):
        return float(text)
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """Short, as in 90s or 0.5s."""
    return f"{seconds:g}s"
