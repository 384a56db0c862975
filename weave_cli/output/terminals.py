"""Terminals that are elsewhere: what a command is told that writes to ours, and how it believes it."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Mapping
from typing import Final

_STREAMS: Final = ("stdout", "stderr")


def find_terminals() -> frozenset[str]:
    """Those of `stdout` and `stderr` that lead to a terminal."""
    return frozenset(name for name in _STREAMS if getattr(sys, name).isatty())


def describe_size() -> Mapping[str, str]:
    """Its size, as variables that all look at who ask for it."""
    size = shutil.get_terminal_size()
    return {"COLUMNS": str(size.columns), "LINES": str(size.lines)}


def pass_on(stream: int, octets: bytes) -> None:
    """What a command elsewhere has written to its stdout (1) or stderr (2)."""
    target = sys.stderr if stream == 2 else sys.stdout
    target.flush()
    target.buffer.write(octets)
    target.buffer.flush()


def take_terminals(names: frozenset[str], typed: bytes) -> None:
    """Believe that these streams are terminals, and that `typed` is all there is to read."""
    sys.stdin = io.TextIOWrapper(io.BytesIO(typed))
    for name in _STREAMS:
        stream = getattr(sys, name)
        stream.flush()
        kind = _Terminal if name in names else io.TextIOWrapper
        setattr(
            sys,
            name,
            kind(
                stream.detach(),
                encoding="utf-8",
                errors="surrogateescape" if name == "stdout" else "backslashreplace",
                # As Python has it: a terminal sees each line, and everybody each message.
                line_buffering=name in names or name == "stderr",
            ),
        )


class _Terminal(io.TextIOWrapper):
    """A pipe whose other end leads to a terminal."""

    def isatty(self) -> bool:
        return True
