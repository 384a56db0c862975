"""What a look at something gave: a verdict, what was seen, why it matters, what mends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Verdict(IntEnum):
    """In the order of weight. A note is something to know, not something wrong."""

    OK = 0
    NOTE = 1
    WARNING = 2
    FAILURE = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's.

    code: says what was looked at, for programs; never changes once it is out. why and mend are empty
    where all is well. mend: a command, or commands with a word about when.
    """

    code: str
    verdict: Verdict
    seen: str
    why: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """All findings of one field."""

    name: str
    findings: tuple[Finding, ...]


def ok(code: str, seen: str) -> Finding:
    return Finding(code=code, verdict=Verdict.OK, seen=seen)


def note(code: str, seen: str, *, why: str = "", mend: str = "") -> Finding:
    return Finding(code=code, verdict=Verdict.NOTE, seen=seen, why=why, mend=mend)


def warning(code: str, seen: str, *, why: str, mend: str) -> Finding:
    return Finding(code=code, verdict=Verdict.WARNING, seen=seen, why=why, mend=mend)


def failure(code: str, seen: str, *, why: str, mend: str) -> Finding:
    return Finding(code=code, verdict=Verdict.FAILURE, seen=seen, why=why, mend=mend)


def find_worst(categories: Iterable[Category]) -> Verdict:
    """OK when there is nothing at all."""
    return max(
        (finding.verdict for category in categories for finding in category.findings), default=Verdict.OK
    )
