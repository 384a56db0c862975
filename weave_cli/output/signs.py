"""What drawings for a terminal are made of: signs, their ASCII stand-ins, width in columns, colour. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

#: Paints a text in the way of a meaning: good, warn, bad, dim, strong. What it tells stands in the text too.
Paint = Callable[[str, str], str]

_COLOURS: Final[Mapping[str, str]] = {"good": "32", "warn": "33", "bad": "31", "dim": "2", "strong": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Branches of trees, and marks in tables."""

    fork: str
    last: str
    trunk: str
    itself: str
    yes: str
    half: str
    no: str
    trouble: str = "!"


UNICODE: Final = Signs(fork="├─ ", last="└─ ", trunk="│  ", itself="╲", yes="●", half="◐", no="·")
ASCII: Final = Signs(fork="|- ", last="`- ", trunk="|  ", itself="\\", yes="o", half="?", no=".")


def choose_signs(encoding: str | None) -> Signs:
    """Those that a stream of this encoding can show."""
    try:
        "├─└│╲●◐·".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def plain(text: str, _meaning: str) -> str:
    """A Paint without colour."""
    return text


def coloured(text: str, meaning: str) -> str:
    """A Paint for terminals."""
    return f"\x1b[{_COLOURS[meaning]}m{text}\x1b[0m" if text else text


def clean(text: str) -> str:
    """Without characters that move a terminal's cursor or worse: other hosts choose their nicknames."""
    return "".join(character if character.isprintable() else "?" for character in text)


def width_of(text: str) -> int:
    """Columns that a text takes on a terminal."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    marks = sum(unicodedata.combining(character) != 0 for character in text)
    return len(text) + wide - marks


def fit(text: str, width: int) -> str:
    """Padded, or cut, to just so many columns."""
    while width_of(text) > width:
        text = text[:-1]
    return text + " " * (width - width_of(text))
