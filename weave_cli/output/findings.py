"""The doctor's findings as text: a word for each verdict, colour only beside it, and only on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from weave_cli.doctor.findings import Category, Finding, Verdict
from weave_cli.output.pieces import Piece, show_pieces

_STYLES: Final = {
    Verdict.OK: "green",
    Verdict.NOTE: "cyan",
    Verdict.WARNING: "yellow",
    Verdict.FAILURE: "bold red",
}
_WIDTH: Final = max(len(verdict.word) for verdict in Verdict)
_INDENT: Final = " " * (_WIDTH + 3)


def show_findings(categories: Sequence[Category]) -> None:
    """What was asked for, on stdout."""
    show_pieces(lay_out(categories))


def lay_out(categories: Iterable[Category]) -> Iterator[Sequence[Piece]]:
    """Lines as styled pieces: each category, then a summary."""
    counts: Counter[Verdict] = Counter()
    for category in categories:
        yield [("bold", category.name)]
        for finding in category.findings:
            counts[finding.verdict] += 1
            yield from _lay_out(finding)
        yield []
    named = [
        f"{counts[verdict]} {verdict.word}{'s' if counts[verdict] > 1 and verdict is not Verdict.OK else ''}"
        for verdict in reversed(Verdict)
        if counts[verdict]
    ]
    yield [("", ", ".join(named) or "nothing was looked at")]


def _lay_out(finding: Finding) -> Iterator[Sequence[Piece]]:
    word = finding.verdict.word
    loud = word.upper() if finding.verdict >= Verdict.WARNING else word
    yield [("", "  "), (_STYLES[finding.verdict], f"{loud:<{_WIDTH}}"), ("", f" {finding.seen}")]
    if finding.why:
        yield [("", f"{_INDENT}why:  {finding.why}")]
    if finding.mend:
        yield [("", f"{_INDENT}mend: {finding.mend}")]
