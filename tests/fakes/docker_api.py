"""Docker's HTTP API on a socket, for those who ask it a few questions: answers are put in by path."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any, Final

from weave_cli.settings import Settings, read_settings


@dataclass(slots=True)
class FakeDockerApi:
    """What GET answers, by path with or without its query, with status 200 unless said; all else is 404.

    All that was asked is written down.
    """

    path: Path
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    """Of answers that are not 200, by path."""
    versions: tuple[str, str] | None = None
    """The lowest and the highest version of the API that it takes, others it refuses in Docker's words; then
    answers are put in by the path without version. None: paths are as they are asked for."""

    def settings(self, **variables: str) -> Settings:
        return read_settings({"DOCKER_HOST": f"unix://{self.path}", **variables})


_VERSIONED: Final = re.compile(r"/v(\d+\.\d+)(/.*)")


def _refusal(version: str, lowest: str, highest: str) -> str | None:
    if _number(version) < _number(lowest):
        return (
            f"client version {version} is too old. Minimum supported API version is {lowest},"
            " please upgrade your client to a newer version"
        )
    if _number(version) > _number(highest):
        return f"client version {version} is too new. Maximum supported API version is {highest}"
    return None


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


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
            path, refusal = self.path, None
            if api.versions is not None and (match := _VERSIONED.fullmatch(path)):
                path, refusal = match[2], _refusal(match[1], *api.versions)
            found = None
            if self.command == "GET":
                found = api.answers.get(path, api.answers.get(path.partition("?")[0]))
            if refusal is not None:
                status, answer = 400, {"message": refusal}
            elif found is None:
                status, answer = 404, {"message": "no such thing"}
            else:
                status, answer = api.statuses.get(path, 200), found
            body = json.dumps(answer).encode()
            self.send_response(status)
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
