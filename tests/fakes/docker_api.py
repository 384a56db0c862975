"""Docker's HTTP API on a socket, for those who ask it a few questions: answers are put in by path."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from weave_cli.settings import Settings, read_settings


@dataclass(slots=True)
class FakeDockerApi:
    """What GET answers, by path, with status 200 unless said; all else is 404, and is written down."""

    path: Path
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    """Of answers that are not 200, by path."""

    def settings(self, **variables: str) -> Settings:
        return read_settings({"DOCKER_HOST": f"unix://{self.path}", **variables})


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def running_docker(directory: Path) -> Iterator[FakeDockerApi]:
    """Serves below the directory until the end of the block."""
    api = FakeDockerApi(directory / "docker.sock")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            api.asked.append(f"{self.command} {self.path}")
            found = api.answers.get(self.path) if self.command == "GET" else None
            body = json.dumps({"message": "no such thing"} if found is None else found).encode()
            self.send_response(404 if found is None else api.statuses.get(self.path, 200))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "client"

        def log_message(self, *_: Any) -> None:
            pass

    with _Server(str(api.path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
