"""A reporter that remembers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeReporter:
    """Plays the operations' Reporter; what it was told stays in `steps` and `notices`."""

    steps: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def progress(self, text: str) -> None:
        self.steps.append(text)

    def notice(self, text: str) -> None:
        self.notices.append(text)
