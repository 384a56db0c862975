"""A question to a peer and its answer, as they travel on a mesh channel of their own. Pure.

Unicasts of JSON: `{"ask": 7, "want": "facts"}` and `{"answer": 7, "content": {...}}`. Go routers pass on what
is for others, and ignore what is for them (specification mesh, section 11.5): who asks them waits in vain.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from weave_cli.errors import RemoteProtocolError

CHANNEL: Final = "weave-inquiry"

#: What can be asked for: what it knows of its host; that it answers containers' packets for a while; and
#: what packets it has seen meanwhile.
FACTS: Final = "facts"
RESPONDER: Final = "responder"
SEEN: Final = "seen"

_MOST_OCTETS: Final = 32_768
_HIGHEST_NUMBER: Final = 1 << 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """number: chosen by who asks, comes back in the answer."""

    number: int
    want: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """content: whatever the peer says; who reads it must believe nothing of it."""

    number: int
    content: Mapping[str, Any] = field(default_factory=dict)


def encode_message(message: Question | Answer) -> bytes:
    if isinstance(message, Question):
        return _encode({"ask": message.number, "want": message.want})
    octets = _encode({"answer": message.number, "content": dict(message.content)})
    if len(octets) <= _MOST_OCTETS:
        return octets
    return _encode({"answer": message.number, "content": {"problem": "the answer is too long"}})


def decode_message(octets: bytes) -> Question | Answer:
    """Raises RemoteProtocolError for what is neither. A want that we do not know is a question, too."""
    if len(octets) > _MOST_OCTETS:
        raise RemoteProtocolError(f"inquiry of {len(octets)} octets")
    try:
        message = json.loads(octets, parse_constant=_read_number, parse_float=_read_number)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("inquiry that is no JSON") from None
    match message:
        case {"ask": int(number), "want": str(want)} if 0 <= number < _HIGHEST_NUMBER:
            return Question(number=number, want=want)
        case {"answer": int(number), "content": dict(content)} if 0 <= number < _HIGHEST_NUMBER:
            return Answer(number=number, content=content)
    raise RemoteProtocolError("inquiry that is neither question nor answer")


def _read_number(text: str) -> float:
    """JSON knows no infinity, though Python reads and writes it."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
