"""Routers as plain processes in network namespaces of their own, on one link; no Docker.

Namespaces and directories carry the process id of the bench, so that what a killed one left is found and
removed by the next.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.measure import BenchProblem
from tests.kernel.namespaces import call_in
from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.names import HTTP_ADDRESS

_NAMESPACES: Final = Path("/run/netns")
#: On a disk: /tmp may be memory.
_STATE: Final = Path("/var/tmp")
_PREFIX: Final = "weave-bench-"
_START_S: Final = 20.0
_CONNECT_S: Final = 30.0
_POLL_S: Final = 0.005
_FEW: Final = 20


class Node:
    """A namespace with one address (10.206.0.NUMBER) and a directory, in which a router can be started."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.name = f"{_PREFIX}{os.getpid()}-{number}"
        self.address = f"10.206.0.{number}"
        self.directory = _STATE / self.name
        self._router: subprocess.Popen[bytes] | None = None

    @property
    def entry(self) -> list[str]:
        """What to put before a command to run it here."""
        return ["ip", "netns", "exec", self.name]

    @property
    def router_pids(self) -> list[int]:
        """The router's process and its children."""
        assert self._router is not None
        children = Path(f"/proc/{self._router.pid}/task/{self._router.pid}/children").read_text().split()
        return [self._router.pid, *map(int, children)]

    @property
    def log(self) -> str:
        """What the router said."""
        return (self.directory / "log").read_text()

    def start_router(self, *peers: str) -> int:
        """Start a router on the state of the one before; its process id."""
        # `ip netns exec` becomes the program, so this is the router's own process id.
        options = [f"--name=7a:00:00:00:00:{self._number:02x}", f"--nickname={self.name}"]
        options += [f"--state-dir={self.directory}", "--dns-listen-address=127.0.0.1:53"]
        with open(self.directory / "log", "wb") as log:
            self._router = subprocess.Popen(
                [*self.entry, sys.executable, "-m", "weave_cli.router", *options, *peers],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        return self._router.pid

    def wait_until_ready(self) -> tuple[float, float]:
        """When its API answered first and when it said that all is up, by time.perf_counter.

        Raises BenchProblem with the router's last words.
        """
        client = RouterClient(HTTP_ADDRESS)
        deadline = time.monotonic() + _START_S

        def poll() -> tuple[float, float]:
            answered: float | None = None
            while True:
                with contextlib.suppress(RouterUnreachable):
                    status = client.get_status().status
                    answered = answered or time.perf_counter()
                    if status == 200:
                        return answered, time.perf_counter()
                if time.monotonic() > deadline or (self._router and self._router.poll() is not None):
                    raise BenchProblem(f"the router did not start: {self.log.strip()[-500:]}")
                time.sleep(_POLL_S)

        return call_in(self.name, poll)

    def wait_until_connected(self) -> None:
        """Return when the router's one connection is established; raises BenchProblem."""
        deadline = time.monotonic() + _CONNECT_S
        while True:
            page = call_in(self.name, lambda: RouterClient(HTTP_ADDRESS).get_status(["connections"])).text
            if " established " in page:
                return
            if time.monotonic() > deadline:
                raise BenchProblem(f"the routers did not connect: {page.strip()}")
            time.sleep(0.1)

    def stop_router(self) -> None:
        """End the router, which must obey."""
        if self._router is not None:
            self._router.terminate()
            try:
                self._router.wait(10)
            except subprocess.TimeoutExpired:
                self._router.kill()
                self._router.wait()
            self._router = None

    def remove(self) -> None:
        """Leave nothing."""
        self.stop_router()
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def nodes(count: int) -> Iterator[list[Node]]:
    """Namespaces on one bridge, gone with the context; raises BenchProblem when it cannot."""
    if os.geteuid() != 0:
        raise BenchProblem("needs root, for network namespaces")
    _remove_stale()
    hub = f"{_PREFIX}{os.getpid()}-hub"
    made = [Node(number) for number in range(1, count + 1)]
    try:
        for node in made:
            node.directory.mkdir()
            _ip("netns", "add", node.name)
            _ip("-n", node.name, "link", "set", "lo", "up")
        if count > 1:
            _ip("netns", "add", hub)
            _ip("-n", hub, "link", "add", "hub", "type", "bridge")
            _ip("-n", hub, "link", "set", "hub", "up")
        for number, node in enumerate(made if count > 1 else (), 1):
            port = f"port{number}"
            _ip(*f"-n {node.name} link add eth0 type veth peer name {port} netns {hub}".split())
            _ip(*f"-n {hub} link set {port} master hub up".split())
            _ip(*f"-n {node.name} address add {node.address}/24 dev eth0".split())
            _ip(*f"-n {node.name} link set eth0 address {_mac(number)} up".split())
        for node in made if count > _FEW else ():
            # All namespaces share one table of neighbours, with room for 1024 that are not fixed.
            table = "".join(
                f"neigh replace {other.address} lladdr {_mac(number)} dev eth0 nud permanent\n"
                for number, other in enumerate(made, 1)
                if other is not node
            )
            batch = ["ip", "-n", node.name, "-batch", "-"]
            subprocess.run(batch, input=table, check=True, text=True, capture_output=True)
        yield made
    finally:
        for node in made:
            node.remove()
        subprocess.run(["ip", "netns", "delete", hub], check=False, capture_output=True)


def _mac(number: int) -> str:
    return f"02:00:00:00:01:{number:02x}"


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchProblem(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _remove_stale() -> None:
    """Remove what benches left that are no longer alive."""
    for path in (*_NAMESPACES.glob(f"{_PREFIX}*"), *_STATE.glob(f"{_PREFIX}*")):
        owner = path.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            listed = subprocess.run(
                ["ip", "netns", "pids", path.name], check=False, capture_output=True, text=True
            )
            for pid in listed.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", path.name], check=False, capture_output=True)
            shutil.rmtree(_STATE / path.name, ignore_errors=True)
