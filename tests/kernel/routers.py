"""Whole routers of ours as processes in namespaces."""

from __future__ import annotations

import sys

from tests.kernel.programs import Program


class Router(Program):
    """A router on a host, without names."""

    def start(self, *options: str) -> None:
        """Start and wait until it is ready."""
        self._begin(*options)
        self.wait_until_ready()

    def fail_to_start(self, *options: str) -> int:
        """Start what must end by itself; its exit status."""
        self._begin(*options)
        self._shall_run = False
        assert self._process
        return self._process.wait(20)

    def _begin(self, *options: str) -> None:
        number = self.host.number
        self.run(
            [
                *(sys.executable, "-m", "weave_cli.router"),
                *(f"--state-dir={self.state}", "--no-dns", f"--nickname=host{number}"),
                f"--name=7a:00:00:00:00:{number:02x}",
                *options,
            ]
        )
