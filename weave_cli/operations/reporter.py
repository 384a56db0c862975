"""The role of whoever shows a person what an operation is doing. Operations never print."""

from __future__ import annotations

from typing import Protocol

from weave_cli.error_codes import NoticeCode


class Reporter(Protocol):
    """Plays on a terminal as a line on stderr; elsewhere progress is silent and notices remain."""

    def progress(self, text: str) -> None:
        """What is being done right now, in a few words; replaced by the next one."""

    def notice(self, text: str, code: NoticeCode = NoticeCode.NOTE) -> None:
        """Something that the user should know although the command succeeds; `code` is for programs."""
