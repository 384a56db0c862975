"""Requests and answers as octets, where we make them ourselves; and bodies that somebody is to see. Pure."""

from __future__ import annotations

from http import HTTPStatus

from weave_cli.proxy.exchange import BODY_LIMIT, Answer, Headers, Request, join_headers
from weave_cli.proxy.http_heads import Malformed, RequestHead


class TooLarge(Malformed):
    """Larger than what is held for anybody."""


class Body:
    """What is in a body, as it passes by."""

    def __init__(self) -> None:
        self.octets = bytearray()

    def add(self, octets: memoryview) -> None:
        """Raises TooLarge."""
        if len(self.octets) + len(octets) > BODY_LIMIT:
            raise TooLarge(f"a body of more than {BODY_LIMIT} octets")
        self.octets += octets


def write_request(wanted: Request, asked: RequestHead) -> bytes:
    """With a length instead of whatever the body travelled in."""
    headers = _framed(wanted.headers, wanted.body, is_needed=asked.framing.length != 0)
    line = f"{wanted.method} {wanted.target.text} HTTP/1.{asked.minor}\r\n"
    return line.encode("latin-1") + join_headers(headers.lines) + b"\r\n" + wanted.body


def write_answer(answer: Answer, asked: RequestHead | None, *, closes: bool = False) -> bytes:
    """For this request; None: for what was none. closes: the connection ends behind it."""
    has_body = answer.status >= 200 and answer.status not in (204, 304)
    # An answer to HEAD tells the length of what it does not have.
    is_shown = has_body and not (asked is not None and asked.method == "HEAD")
    headers = _framed(answer.headers, answer.body, is_needed=has_body) if is_shown else answer.headers
    if closes:
        headers = headers.with_line("Connection", "close")
    elif asked is not None and asked.minor == 0:
        headers = headers.with_line("Connection", "keep-alive")
    line = f"HTTP/1.1 {answer.status} {answer.reason or _phrase(answer.status)}\r\n"
    return line.encode("latin-1") + join_headers(headers.lines) + b"\r\n" + (answer.body if is_shown else b"")


def _framed(headers: Headers, body: bytes, *, is_needed: bool) -> Headers:
    bare = headers.without("Transfer-Encoding", "Content-Length", "Trailer")
    return bare.with_line("Content-Length", str(len(body))) if body or is_needed else bare


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
