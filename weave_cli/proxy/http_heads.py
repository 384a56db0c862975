"""Heads of requests and answers: octets in, values out; how long the body behind them is. Pure.

HTTP/1.1 and 1.0 (RFC 9112). What two readers could understand differently is refused, since the one behind us
is Docker: two lengths, a length beside a coding, folded lines, spaces before a colon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import WeaveError
from weave_cli.proxy.exchange import Headers

#: As Go's server has it; heads with big tokens of registries come near to it.
HEAD_LIMIT: Final = 2**20

_END = re.compile(rb"\r?\n\r?\n")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_REQUEST = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([^\s\x00-\x1f]+) HTTP/1\.([01])", re.ASCII)
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9]\d\d)(?: (.*))?", re.ASCII)


class Malformed(WeaveError):
    """These octets are no HTTP that we would pass on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """How the end of a body is known: after `length` octets, by its chunks, or by the end of the stream."""

    length: int | None = 0
    """None: not by a length."""
    is_chunked: bool = False

    @property
    def is_until_close(self) -> bool:
        return self.length is None and not self.is_chunked


NO_BODY: Final = Framing()
CHUNKED: Final = Framing(length=None, is_chunked=True)
UNTIL_CLOSE: Final = Framing(length=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """Request line and header lines."""

    method: str
    target: str
    minor: int
    """Of HTTP/1.x."""
    headers: Headers
    framing: Framing

    @property
    def keeps_alive(self) -> bool:
        return _keeps_alive(self.minor, self.headers)

    @property
    def waits_for_continue(self) -> bool:
        """Is the body only sent once we have said that we want it?"""
        return self.minor == 1 and (self.headers.get("Expect") or "").lower() == "100-continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHead:
    """Status line and header lines."""

    status: int
    reason: str
    minor: int
    headers: Headers
    framing: Framing

    @property
    def is_interim(self) -> bool:
        """Another head follows; not so behind 101, where HTTP ends."""
        return 100 <= self.status < 200 and self.status != 101

    @property
    def keeps_alive(self) -> bool:
        return _keeps_alive(self.minor, self.headers)


def find_end(octets: bytes | bytearray, start: int = 0) -> int | None:
    """Where the head ends, its empty line included; None: not yet all there."""
    match = _END.search(octets, max(0, start - 3))
    return match.end() if match else None


def parse_request(head: bytes) -> RequestHead:
    """Raises Malformed, naming what is wrong."""
    first, headers = _split(head)
    match = _REQUEST.fullmatch(first)
    if match is None:
        raise Malformed(f"not a request line of HTTP/1: {_shown(first)}")
    framing = _announced(headers)
    if framing is not None and framing.is_chunked and match[3] == "0":
        raise Malformed("a chunked body in HTTP/1.0")
    return RequestHead(
        method=match[1], target=match[2], minor=int(match[3]), headers=headers, framing=framing or NO_BODY
    )


def parse_answer(head: bytes, *, method: str) -> AnswerHead:
    """`method`: of the request that is answered, since it decides whether a body follows."""
    first, headers = _split(head)
    match = _STATUS.fullmatch(first)
    if match is None:
        raise Malformed(f"not a status line of HTTP/1: {_shown(first)}")
    status = int(match[2])
    if method == "HEAD" or status < 200 or status in (204, 304):
        framing = NO_BODY
    else:
        framing = _announced(headers) or UNTIL_CLOSE
    return AnswerHead(
        status=status, reason=match[3] or "", minor=int(match[1]), headers=headers, framing=framing
    )


def _split(head: bytes) -> tuple[str, Headers]:
    first, *lines = head.decode("latin-1").replace("\r\n", "\n").rstrip("\n").split("\n")
    return first, Headers(tuple(map(_parse_line, lines)))


def _parse_line(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or "\r" in value or "\0" in value:
        raise Malformed(f"not a header line: {_shown(line)}")
    return name, value.strip(" \t")


def _announced(headers: Headers) -> Framing | None:
    """What the lines say of the body; None: nothing."""
    codings = headers.get_all("Transfer-Encoding")
    lengths = headers.get_all("Content-Length")
    if codings:
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise Malformed(f"unknown Transfer-Encoding: {_shown(', '.join(codings))}")
        if lengths:
            raise Malformed("both Transfer-Encoding and Content-Length")
        return CHUNKED
    if not lengths:
        return None
    text = lengths[0]
    if len(lengths) > 1 or not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Malformed(f"invalid Content-Length: {_shown(', '.join(lengths))}")
    return Framing(length=int(text))


def _keeps_alive(minor: int, headers: Headers) -> bool:
    options = {
        option.strip().lower() for value in headers.get_all("Connection") for option in value.split(",")
    }
    if "close" in options:
        return False
    return minor == 1 or "keep-alive" in options


def _shown(text: str) -> str:
    """For a log line: short, and without what a terminal would obey."""
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
