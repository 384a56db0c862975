"""A reporter that remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from weave_cli.error_codes import NoticeCode


@dataclass
class FakeReporter:
    """Plays the operations' Reporter; what it was told stays in `steps`, `notices` and `codes`."""

    steps: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    codes: list[NoticeCode] = field(default_factory=list)

    def progress(self, text: str) -> None:
        self.steps.append(text)

    def notice(self, text: str, code: NoticeCode = NoticeCode.NOTE) -> None:
        self.notices.append(text)
        self.codes.append(code)
