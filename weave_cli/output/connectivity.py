"""Results of trials as text: a word for each, colour only beside it, and only on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from weave_cli.connectivity.results import TargetResult
from weave_cli.output.pieces import Piece, show_pieces

_OK: Final = ("green", "ok    ")
_FAILED: Final = ("bold red", "FAILED")


def show_trial(results: Sequence[TargetResult]) -> None:
    """What was asked for, on stdout."""
    show_pieces(lay_out(results))


def lay_out(results: Sequence[TargetResult]) -> Iterator[Sequence[Piece]]:
    """Lines as styled pieces."""
    for one in results:
        where = f" at {one.address}" if one.address else ""
        yield [("bold", f"{one.host or 'this host'}{where}")]
        for probe in one.probes:
            yield [("", "  "), _OK if probe.passed else _FAILED, ("", f" {probe.probe:<9} {probe.detail}")]
        if one.loss is not None:
            yield [("", "  lost on the leg "), ("bold", one.loss.leg), ("", f": {one.loss.reason}")]
            yield [("", f"  look: {one.loss.mend}")]
        if one.notice:
            yield [("", "  "), ("yellow", "WARNING"), ("", f" {one.notice}")]
    broken = sum(one.loss is not None for one in results)
    yield [("", f"{broken} of {len(results)} FAILED" if broken else f"all {len(results)} ok")]
