"""Where a body ends, told while its octets pass; and what is in it. Pure.

A Ruler takes octets as they come and says how many of them belong to the body, chunk lines and trailers
included. It keeps no octet of it, unless it is a Collector.
"""

from __future__ import annotations

from typing import Final, Protocol

from weave_cli.proxy.http_heads import Framing, Malformed

#: Of the line before a chunk, with its extensions.
_LINE_LIMIT: Final = 4096
#: Octets that are looked at for the end of a line at a time; hardly any line is longer.
_WINDOW: Final = 32
#: Of all trailers of a body.
_TRAILER_LIMIT: Final = 65536
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class Sink(Protocol):
    """Is shown what is in the body, without the coding around it."""

    def __call__(self, octets: memoryview, /) -> object: ...


class Ruler:
    """Measures one body."""

    def __init__(self, framing: Framing, *, sink: Sink | None = None) -> None:
        self._sink = sink
        self._is_chunked = framing.is_chunked
        self._left = framing.length
        """Octets until the end of body or chunk; None: until the stream ends."""
        self._line = bytearray()
        self._trailers = -1
        """Octets of trailers so far; -1: chunks are still to come."""
        self._awaits_chunk_end = False
        self.is_complete = framing.length == 0
        if self._is_chunked:
            self._left = 0

    def take(self, octets: memoryview) -> int:
        """How many of these belong to the body; fewer than all only when it is complete.

        Raises Malformed for chunks that are none.
        """
        if self._is_chunked:
            return self._take_chunks(octets)
        if self._left is None:
            self._show(octets)
            return len(octets)
        taken = min(self._left, len(octets))
        self._show(octets[:taken])
        self._left -= taken
        self.is_complete = self._left == 0
        return taken

    def _take_chunks(self, octets: memoryview) -> int:
        at, size = 0, len(octets)
        while at < size and not self.is_complete:
            if self._left:
                end = min(at + self._left, size)
                self._show(octets[at:end])
                self._left -= end - at
                self._awaits_chunk_end = self._left == 0
                at = end
            else:
                at = self._take_line(octets, at)
        return at

    def _take_line(self, octets: memoryview, at: int) -> int:
        """Look at the line that begins, or goes on, here; where the octets behind it are."""
        window = bytes(octets[at : at + _WINDOW])
        end = window.find(b"\n") + 1
        self._line += window[: end or len(window)]
        if not end:
            if len(self._line) >= _LINE_LIMIT and self._trailers < 0:
                raise Malformed("the line before a chunk is too long")
            if len(self._line) > _TRAILER_LIMIT:
                raise Malformed("a line of the trailers is too long")
            return at + len(window)
        line = bytes(self._line).rstrip(b"\r\n")
        self._count_line(line, len(self._line))
        self._line.clear()
        return at + end

    def _count_line(self, line: bytes, size: int) -> None:
        if self._awaits_chunk_end:
            if line:
                raise Malformed("a chunk is longer than its line says")
            self._awaits_chunk_end = False
        elif self._trailers >= 0:
            self._trailers += size
            if self._trailers > _TRAILER_LIMIT:
                raise Malformed("too many trailers")
            self.is_complete = not line
        else:
            self._left = _parse_size(line)
            if self._left == 0:
                self._trailers = 0

    def _show(self, octets: memoryview) -> None:
        if self._sink is not None:
            self._sink(octets)


def _parse_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip(b" \t")
    if not digits or len(digits) > 15 or not _HEX.issuperset(digits):
        raise Malformed(f"not the size of a chunk: {line[:40]!r}")
    return int(digits, 16)
