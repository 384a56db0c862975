"""Programs in the namespaces of hosts, asked through the HTTP API that every kind of router has."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.kernel.namespaces import Host, call_in

Answer = tuple[int, str]


class Program:
    """One program on a host, started again and again; its state is in a directory that outlives it."""

    def __init__(self, host: Host, state: Path) -> None:
        self.host = host
        self.state = state
        self.state.mkdir(exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._shall_run = False

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def has_died(self) -> bool:
        """True when it ended by itself."""
        return self._shall_run and not self.is_running

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start it; what it says is kept in `log`."""
        with open(self.state.with_suffix(".log"), "ab") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", self.host.namespace, *command],
                cwd=self.state,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._shall_run = True

    def wait_until_ready(self) -> None:
        eventually(lambda: self.has_died or self.ask("GET", "/status")[0] == 200, self.log)
        assert self.is_running, self.log()

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process
        self._shall_run = False
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it in good order; its exit status."""
        assert self._process
        self._shall_run = False
        self._process.terminate()
        return self._process.wait(20)

    def log(self) -> str:
        return self.state.with_suffix(".log").read_text(errors="replace")

    def ask(
        self,
        method: str,
        path: str,
        timeout_s: float = 10,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Status and body; status 0 when nobody answers."""

        def call() -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", 6784, timeout=timeout_s)
            with contextlib.closing(connection):
                connection.request(method, path, body, dict(headers or {}))
                answer = connection.getresponse()
                return answer.status, answer.read().decode()

        with contextlib.suppress(OSError, http.client.HTTPException):
            return call_in(self.host.namespace, call)
        return 0, ""


def eventually(is_true: Callable[[], object], what: Callable[[], str], timeout_s: float = 30) -> None:
    """Wait until it is true; fails with what `what` gives after so many seconds."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)
