"""Lines of an answer whose parts have a style each; colour only on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: Style of a part of a line, empty for none, and the part.
Piece = tuple[str, str]


def show_pieces(lines: Iterable[Sequence[Piece]]) -> None:
    """What was asked for, on stdout."""
    # Only commands that take a second come here, so that no other one imports it.
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        console.print(Text.assemble(*((text, style) for style, text in line)))
