"""Pages of the status in colour: states beside their words, which stay as scripts know them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from weave_cli.output.signs import Paint

_MEANINGS: Final[Mapping[str, str]] = {
    "established": "good",
    "pending": "warn",
    "connecting": "warn",
    "waiting": "warn",
    "retrying": "bad",
    "failed": "bad",
    "- unreachable!": "bad",
}

#: The state of a connection stands behind its address; others stand at the end of a line.
_STATE: Final = re.compile(
    r"(?P<before>^(?:->|<-) \S+ +)(?P<state>established|pending|connecting|waiting|retrying|failed)\b"
    r"|(?P<last>established|pending|- unreachable!)(?= *$)",
    re.MULTILINE,
)


def paint_page(text: str, paint: Paint) -> str:
    """The page with its states painted; without the paint it is as before, letter by letter."""

    def painted(match: re.Match[str]) -> str:
        state = match["state"] or match["last"]
        return (match["before"] or "") + paint(state, _MEANINGS[state])

    return _STATE.sub(painted, text)
