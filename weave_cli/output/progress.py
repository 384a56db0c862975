"""What is being done right now, as one line on stderr that replaces itself; silent without a terminal."""

from __future__ import annotations

import sys

from weave_cli.output.text import tell

_CLEAR = "\r\x1b[K"


class Progress:
    """Plays the operations' Reporter. Use it as a context: the line is gone at the end."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._has_line = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def progress(self, text: str) -> None:
        """Replace the line."""
        if self._is_terminal:
            sys.stderr.write(f"{_CLEAR}{text} ...")
            sys.stderr.flush()
            self._has_line = True

    def notice(self, text: str) -> None:
        """A line that stays, on a terminal or not."""
        self._clear()
        tell(text)

    def _clear(self) -> None:
        if self._has_line:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._has_line = False
