"""A router's HTTP API on loopback that answers what it was told to, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FakeRouterApi:
    """`answers` maps `METHOD TARGET` to status and body; anything else is a 404."""

    answers: dict[str, tuple[int, str]]
    asked: list[tuple[str, str]] = field(default_factory=list)
    """`METHOD TARGET` and body of each request."""
    accepts: list[str | None] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(answers: Mapping[str, tuple[int, str]]) -> Iterator[FakeRouterApi]:
    """The API, for as long as the context lasts; its `address` is `ip:port`."""
    fake = FakeRouterApi(answers=dict(answers))

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            request = f"{self.command} {self.path}"
            fake.asked.append((request, body))
            fake.accepts.append(self.headers.get("Accept"))
            status, text = fake.answers.get(request, (404, "404 page not found\n"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing: tests look at `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
