"""What is being done right now, as a line that moves on stderr; silent without a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from weave_cli.error_codes import NoticeCode
from weave_cli.output.text import tell

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """Plays the operations' Reporter. Use it as a context: the line is gone at the end."""

    def __init__(self, tell: Callable[[str, NoticeCode], None] | None = None) -> None:
        """tell: where notices go; None: to people alone."""
        self._tell = tell or _tell_people
        self._is_terminal = sys.stderr.isatty()
        self._status: Status | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def progress(self, text: str) -> None:
        """Replace the line."""
        if not self._is_terminal:
            return
        if self._status is None:
            # Only commands that take seconds come here, so that no other one imports it.
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        from rich.text import Text

        self._status.update(Text(f"{text} ..."))

    def notice(self, text: str, code: NoticeCode = NoticeCode.NOTE) -> None:
        """A line that stays, on a terminal or not."""
        self.clear()
        self._tell(text, code)

    def clear(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None


def _tell_people(text: str, _code: NoticeCode) -> None:
    tell(text)
