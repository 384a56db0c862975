"""What a helper container is given to do, as octets for its standard input (pure). Knows no Docker.

Nothing of it is in the helper's command line or environment, which everybody sees who may inspect it: there
may be passwords in it. Afterwards, every octet is the number of a signal that the user's command got; the end
of it all means that this command is gone, and that what was begun is to be undone.

    length of what follows, 4 octets, big-endian
    {"words": ["launch", "host2"], "environment": {}, "input": "cHc=", "terminals": ["stderr"]}
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from weave_cli.errors import UsageProblem

LENGTH: Final = struct.Struct(">I")
_LARGEST: Final = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One command to be run where Docker is, as if it had been typed there."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables as the user has them; those of ours that are not here are not set."""
    input: bytes = field(default=b"", repr=False)
    """What the command finds at its standard input."""
    terminals: frozenset[str] = frozenset()
    """Those of `stdout` and `stderr` that lead to a terminal."""


def pack_errand(errand: Errand) -> bytes:
    """The octets."""
    body = json.dumps(
        {
            "words": errand.words,
            "environment": dict(errand.environment),
            "input": base64.b64encode(errand.input).decode(),
            "terminals": sorted(errand.terminals),
        }
    ).encode()
    return LENGTH.pack(len(body)) + body


def read_errand(read: Callable[[int], bytes]) -> Errand:
    """The errand at the beginning of what `read(most)` gives; takes no octet more. Raises UsageProblem."""
    size = LENGTH.unpack(_read_exactly(read, LENGTH.size))[0]
    if size > _LARGEST:
        raise UsageProblem("this is no errand for a helper container")
    body = json.loads(_read_exactly(read, size))
    return Errand(
        words=tuple(body["words"]),
        environment=body["environment"],
        input=base64.b64decode(body["input"]),
        terminals=frozenset(body["terminals"]),
    )


def _read_exactly(read: Callable[[int], bytes], count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = read(count - len(found))
        if not more:
            raise UsageProblem("the command that started this helper container is gone")
        found += more
    return found
