"""tests/CHECKLIST.md names tests that there are, and leaves no line without one that does not say so."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.surface

_TESTS = Path(__file__).parents[1]
_PAGE = _TESTS / "CHECKLIST.md"
_REFERENCE = re.compile(r"`(\w+/test_\w+)::(\w+)`")

ROWS = [line for line in _PAGE.read_text().splitlines() if re.match(r"\| \d{3}", line)]


@cache
def list_functions(file: str) -> frozenset[str]:
    """The names of a file's functions, none if there is no such file."""
    path = _TESTS / f"{file}.py"
    if not path.exists():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_test_that_is_named_is_there() -> None:
    named = {reference for row in ROWS for reference in _REFERENCE.findall(row)}
    assert len(named) > 50
    assert [
        reference for reference in sorted(named) if f"test_{reference[1]}" not in list_functions(reference[0])
    ] == []


def test_every_line_has_a_test_or_says_that_it_has_none() -> None:
    def is_accounted_for(row: str) -> bool:
        return bool(_REFERENCE.search(row)) or "**missing**" in row or "](../docs/compat.md)" in row

    assert [row for row in ROWS if not is_accounted_for(row)] == []


def test_every_reference_can_be_read() -> None:
    # Whatever is quoted in the last column but cannot be read as a test would never be looked for.
    quoted = [words for row in ROWS for words in re.findall(r"`([^`]+)`", row.split("|")[3])]
    assert [words for words in quoted if not _REFERENCE.fullmatch(f"`{words}`")] == []
