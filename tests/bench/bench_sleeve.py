"""TCP and round trips through overlay sleeve, beside Go's in the same run when WEAVER names its program.

    WEAVER=/path/to/weaver python -m tests.bench.bench_sleeve [--runs 5] [--seconds 3]

Two hosts for each pair, in namespaces, with one container each; with Go's program also pairs of one of ours
and one of Go's, in both directions. Runs take turns, so that other work on the
machine hits all alike. The CPU column is the time of the processes that carry frames, both ends together,
and of nothing else: not that of iperf3, and not the kernel's work in interrupts.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.measure import BenchProblem, Row, alternate, paired_ratio, run_alone, spread
from tests.interop.containers import Container, wait_until_reachable
from tests.interop.go_version import WEAVER
from tests.interop.peers import GoPeer, OurPeer, Peer, wait_for_link
from tests.kernel.namespaces import Underlay
from tests.kernel.sleeve_hosts import SleeveMesh

_RUNS: Final = 5
_SECONDS: Final = 3
_PORT: Final = 5999
_PINGS: Final = 40
#: The key of our processes, the password of routers.
_KINDS: Final[dict[str, tuple[bytes | None, str]]] = {
    "plain": (None, ""),
    "password": (bytes(range(32)), "a password of this measurement"),
}
#: Who sends to whom.
_WITH_GO: Final[dict[str, tuple[type[Peer], type[Peer]]]] = {
    "go": (GoPeer, GoPeer),
    "our-go": (OurPeer, GoPeer),
    "go-our": (GoPeer, OurPeer),
}
#: Times Go's throughput, plain and with password.
_TARGETS: Final = {"plain": 3.0, "password": 2.5}


@dataclass(frozen=True, slots=True)
class Way:
    """The way from one container to another, and the processes that carry frames on it."""

    namespaces: tuple[str, str]
    target: str
    pids: tuple[int, ...]

    def megabits(self, seconds: int, spent: list[float]) -> float:
        """Of one TCP stream, at the receiver; the share of a core that the processes used goes to `spent`."""
        sender, receiver = self.namespaces
        enter = ["ip", "netns", "exec"]
        server = subprocess.Popen(
            [*enter, receiver, "iperf3", "-s", "-1", "-p", str(_PORT)], stdout=subprocess.DEVNULL
        )
        try:
            self._wait_for_listener()
            before, begun = self._cpu_seconds(), time.monotonic()
            said = subprocess.run(
                [*enter, sender, "iperf3", "-J", "-c", self.target, "-p", str(_PORT), "-t", str(seconds)],
                capture_output=True,
                text=True,
                check=False,
            )
            spent.append((self._cpu_seconds() - before) / (time.monotonic() - begun))
            server.wait(10)
        finally:
            server.kill()
            server.wait()
        try:
            rate: float = json.loads(said.stdout)["end"]["sum_received"]["bits_per_second"]
        except (ValueError, KeyError) as problem:
            raise BenchProblem(f"iperf3 to {self.target}: {said.stdout[-300:]}") from problem
        return rate / 1e6

    def round_trips(self) -> list[float]:
        """Milliseconds of a few pings."""
        said = subprocess.run(
            ["ip", "netns", "exec", self.namespaces[0], "ping", "-c", str(_PINGS), "-i", "0.01", self.target],
            capture_output=True,
            text=True,
            check=False,
        )
        return [float(found) for found in re.findall(r"time=([\d.]+) ms", said.stdout)]

    def _wait_for_listener(self) -> None:
        deadline = time.monotonic() + 5
        command = ["ip", "netns", "exec", self.namespaces[1], "ss", "-Hltn", f"sport = {_PORT}"]
        while not subprocess.run(command, capture_output=True, text=True, check=True).stdout:
            if time.monotonic() > deadline:
                raise BenchProblem("iperf3 does not listen")
            time.sleep(0.02)

    def _cpu_seconds(self) -> float:
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def our_path(key: bytes | None) -> Iterator[Way]:
    """Two hosts with sleeve processes of ours."""
    underlay, mesh = Underlay(), SleeveMesh()
    try:
        one, two = (mesh.launch(underlay.host()) for _ in range(2))
        mesh.start()
        mesh.join(one, two, session_key=key)
        mesh.wait_established()
        namespaces = one.host.container(), two.host.container()
        yield Way(namespaces, "10.32.2.1", (one.process.pid, two.process.pid))
    finally:
        mesh.stop()
        underlay.close()


@contextmanager
def routers_path(kinds: tuple[type[Peer], type[Peer]], password: str) -> Iterator[Way]:
    """Two hosts with routers of these kinds, the sender's first."""
    underlay = Underlay()
    with tempfile.TemporaryDirectory() as place:
        one, two = (kind(underlay.host(), Path(place)) for kind in kinds)
        try:
            one.start(password=password)
            two.start(one, password=password)
            wait_for_link(one, two)
            first, second = Container(one, "first"), Container(two, "second")
            wait_until_reachable(first, second)
            pids = [pid for peer in (one, two) for pid in (peer.pid, *_children(peer.pid))]
            yield Way((first.namespace, second.namespace), second.address, tuple(pids))
        finally:
            for peer in (one, two):
                if peer.is_running:
                    peer.kill()
            underlay.close()


def take(runs: int = _RUNS, seconds: int = _SECONDS) -> list[Row]:
    """Throughput, CPU and round trip of ours, and beside Go's if there is one."""
    with ExitStack() as stack:
        paths: dict[str, Way] = {}
        for kind, (key, password) in _KINDS.items():
            paths[f"our {kind}"] = stack.enter_context(our_path(key))
            if os.environ.get(WEAVER):
                for name, ends in _WITH_GO.items():
                    paths[f"{name} {kind}"] = stack.enter_context(routers_path(ends, password))
        for path in paths.values():
            path.megabits(1, [])  # caches, and the MTU of the path
        spent: dict[str, list[float]] = {name: [] for name in paths}
        measures: dict[str, Callable[[], float]] = {
            name: partial(path.megabits, seconds, spent[name]) for name, path in paths.items()
        }
        rates = alternate(runs, **measures)
        trips: dict[str, list[float]] = {name: [] for name in paths}
        for _ in range(runs):
            for name, path in paths.items():
                trips[name] += path.round_trips()
    return [row for kind in _KINDS for row in _rows(kind, rates, spent, trips)]


def _children(pid: int) -> list[int]:
    """Our router carries frames in a child."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _rows(
    kind: str, rates: dict[str, list[float]], spent: dict[str, list[float]], trips: dict[str, list[float]]
) -> list[Row]:
    our, go = f"our {kind}", f"go {kind}"
    has_go = go in rates
    ratio = paired_ratio(rates[our], rates[go]) if has_go else None
    rows = [
        Row(
            measure=f"sleeve {kind}, TCP, two hosts",
            value=spread(rates[our], "Mbit/s"),
            baseline=f"Go {spread(rates[go], 'Mbit/s')}" if has_go else "",
            compared=f"{ratio:.2f} times" if ratio is not None else "",
            target=f">= {_TARGETS[kind]}",
            is_met=ratio >= _TARGETS[kind] if ratio is not None else None,
        ),
        Row(
            measure=f"sleeve {kind}, CPU of both ends",
            value=_percent(spent[our]),
            baseline=f"Go {_percent(spent[go])}" if has_go else "",
            compared=f"{_per_gigabit(spent[our], rates[our]):.2f} s/Gbit"
            + (f", Go {_per_gigabit(spent[go], rates[go]):.2f}" if has_go else ""),
        ),
    ]
    if not trips[our] or (has_go and not trips[go]):
        raise BenchProblem("no ping was answered")
    middle = statistics.median(trips[our])
    rows.append(
        Row(
            measure=f"sleeve {kind}, round trip, {len(trips[our])} pings",
            value=f"{middle:.3f} ms",
            baseline=f"Go {statistics.median(trips[go]):.3f} ms" if has_go else "",
            compared=f"{middle / statistics.median(trips[go]):.2f} of it" if has_go else "",
            target="<= 1" if has_go else "",
            is_met=middle <= statistics.median(trips[go]) if has_go else None,
        )
    )
    for name, title in (("our-go", "ours to Go"), ("go-our", "Go to ours")):
        if f"{name} {kind}" in rates:
            rows.append(
                Row(
                    measure=f"sleeve {kind}, TCP, {title}",
                    value=spread(rates[f"{name} {kind}"], "Mbit/s"),
                    baseline=f"Go to Go {spread(rates[go], 'Mbit/s')}",
                    compared=f"{paired_ratio(rates[f'{name} {kind}'], rates[go]):.2f} times",
                )
            )
    return rows


def _percent(shares: list[float]) -> str:
    return f"{statistics.median(shares) * 100:.0f} % of a core"


def _per_gigabit(shares: list[float], rates: list[float]) -> float:
    return statistics.median(share / rate * 1000 for share, rate in zip(shares, rates, strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=_RUNS)
    parser.add_argument("--seconds", type=int, default=_SECONDS)
    arguments = parser.parse_args()
    run_alone(partial(take, arguments.runs, arguments.seconds))
