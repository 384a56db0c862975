"""The roles between the passage of calls and those who change some of them: values and protocols. No I/O.

The passage carries octets and knows no call by name. Whoever looks after a call is asked once per request,
by method and path; a request that nobody looks after passes as it came, octet by octet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import parse_qs, urlsplit

#: Octets. A larger body is not held for anybody: a request is refused with 413, an answer becomes a 502.
BODY_LIMIT: Final = 16 * 2**20

_VERSION = re.compile(r"/v(\d+\.\d+)(?=/)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Headers:
    """Header lines in their order, with names as they were sent."""

    lines: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """The value of the first line of that name, in whatever case."""
        return next((value for key, value in self.lines if key.lower() == name.lower()), None)

    def get_all(self, name: str) -> list[str]:
        """The values of all lines of that name."""
        return [value for key, value in self.lines if key.lower() == name.lower()]

    def without(self, *names: str) -> Headers:
        """All lines but those of these names."""
        dropped = {name.lower() for name in names}
        return Headers(tuple(line for line in self.lines if line[0].lower() not in dropped))

    def with_line(self, name: str, value: str) -> Headers:
        """With this line as the only one of its name, at the end."""
        return Headers((*self.without(name).lines, (name, value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request line asks for."""

    text: str
    """As it was sent, query included."""
    version: str | None
    """API version in the path, such as `1.41`; None: unversioned."""
    path: str
    """Without version and query, percent signs as sent: `/containers/web/start`."""
    query: str

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter; None when it is not there."""
        values = parse_qs(self.query, keep_blank_values=True).get(name)
        return values[0] if values else None


def parse_target(text: str) -> Target:
    """Both forms: `/v1.41/x?y` and `http://host/v1.41/x?y`. Raises ValueError for a host that is none."""
    if not text.startswith("/"):
        parts = urlsplit(text)
        path, query = parts.path or "/", parts.query
    else:
        path, _, query = text.partition("?")
    match = _VERSION.match(path)
    return Target(
        text=text,
        version=match[1] if match else None,
        path=path[match.end() :] if match else path,
        query=query,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request with its whole body, without the coding that it travelled in.

    Lines about length and coding of the body are made anew from `body`; a change of it changes them.
    """

    method: str
    target: Target
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Docker's answer with its whole body, or ours in its place."""

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


class Refusal(Exception):
    """Raised by who looks after a call: the client gets this in the form of Docker's errors."""

    def __init__(self, message: str, *, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


def error_answer(status: int, message: str) -> Answer:
    """`{"message": ...}`, as Docker's own errors are; with a line feed behind, as Docker has it."""
    return Answer(
        status=status,
        headers=Headers((("Content-Type", "application/json"),)),
        body=json.dumps({"message": message}).encode() + b"\n",
    )


class Exchange(Protocol):
    """One call that somebody looks after. Its methods are awaited in this order, at most once each.

    An exception that is no Refusal is a defect: logged, and the client gets status 500.
    """

    @property
    def holds_answer(self) -> bool:
        """Asked after `prepare`: shall the answer be held, with its whole body, for `conclude`?

        If not, it passes as it comes. Streams and upgraded connections are never held.
        """

    async def prepare(self, request: Request) -> Request:
        """Before Docker sees it: the request to send instead (the same object: it passes unchanged).

        May take as long as it likes and do what it likes. Raises Refusal: Docker is not asked.
        """

    async def conclude(self, answer: Answer) -> Answer:
        """Docker's whole answer; what the client gets instead. Raises Refusal to answer with an error."""

    async def close(self) -> None:
        """Always called, whatever became of the call: refused, answered, client or Docker gone."""


class Rewriter(Protocol):
    """Who changes some of the calls, and does the work that goes with it."""

    def wants(self, method: str, target: Target) -> Exchange | None:
        """A new exchange if this call is to be looked after; None: it passes untouched. Must not block."""

    async def run(self) -> None:
        """Work beside the calls (following Docker's events), until cancelled; begun again if it ends.

        Listening begins at the same time: what calls need from it they must wait for themselves.
        """

    async def close(self) -> None:
        """The proxy ends; no call is under way any more."""


class Untouched:
    """A Rewriter to whom every call is right as it is."""

    def wants(self, method: str, target: Target) -> Exchange | None:
        return None

    async def run(self) -> None:
        return None

    async def close(self) -> None:
        return None


def join_headers(lines: Iterable[tuple[str, str]]) -> bytes:
    """As they stand in a head, each with its end of line."""
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode("latin-1")
