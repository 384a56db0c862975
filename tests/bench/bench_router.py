"""The router alone: how soon it answers, and what it takes from the machine while nothing happens.

    python -m tests.bench.bench_router [--seconds 60]

Routers are plain processes in network namespaces, so nothing of Docker is measured along.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.measure import Row, alternate, paired_ratio, run_alone, spread, time_command
from tests.bench.routers import Node, nodes

_RUNS: Final = 5
_REST_S: Final = 60.0
_SETTLE_S: Final = 5.0
_START_TARGET_S: Final = 0.5
_MEMORY_TARGET_MB: Final = 70.0
_CPU_TARGET_PERCENT: Final = 0.3


def take(rest_s: float = _REST_S) -> list[Row]:
    """Start and rest."""
    return [*_take_start(), *_take_rest(rest_s)]


def _take_start() -> list[Row]:
    """From the start of the process on a host that has no bridge yet."""
    ready: list[float] = []

    def start(node: Node) -> float:
        begun = time.perf_counter()
        node.start_router()
        answered, is_up = node.wait_until_ready()
        ready.append(is_up - begun)
        node.stop_router()
        _forget_host(node)
        return answered - begun

    with nodes(1) as (node,):
        found = alternate(
            _RUNS,
            answers=partial(start, node),
            python=lambda: time_command([*node.entry, sys.executable, "-c", "pass"]) / 1000,
        )
    baseline = f"python -c pass {spread(found['python'], 's', 3)}"
    return [
        Row(
            measure="router start until the API answers",
            value=spread(found["answers"], "s", 2),
            baseline=baseline,
            compared=f"{paired_ratio(found['answers'], found['python']):.1f} of it",
            target=f"<= {_START_TARGET_S} s",
            is_met=statistics.median(found["answers"]) <= _START_TARGET_S,
        ),
        Row(
            measure="router start until all is up",
            value=spread(ready, "s", 2),
            baseline=baseline,
            compared=f"{paired_ratio(ready, found['python']):.1f} of it",
        ),
    ]


def _forget_host(node: Node) -> None:
    """Make the next start a first one."""
    for device in ("weave-vxlan", "weave"):
        time_command([*node.entry, "ip", "link", "delete", device])
    shutil.rmtree(node.directory)
    node.directory.mkdir()


def _take_rest(rest_s: float) -> list[Row]:
    """Two routers with one connection; both are watched."""
    with nodes(2) as (one, other):
        pids = [one.start_router(), other.start_router(one.address)]
        for node in (one, other):
            node.wait_until_ready()
            node.wait_until_connected()
        time.sleep(_SETTLE_S)
        before = [cpu_seconds(pid) for pid in pids]
        woken_before = [_switches(pid) for pid in pids]
        begun = time.monotonic()
        time.sleep(rest_s)
        spent_s = time.monotonic() - begun
        shares = [(cpu_seconds(pid) - was) / spent_s * 100 for pid, was in zip(pids, before, strict=True)]
        woken = [(_switches(pid) - was) / spent_s for pid, was in zip(pids, woken_before, strict=True)]
        memory = [_resident_mb(pid) for pid in pids]
    return [
        Row(
            measure=f"router at rest, one peer, {spent_s:.0f} s: processor",
            value=spread(shares, "% of a core", 2),
            baseline=f"woken {spread(woken, 'times/s', 1)}",
            target=f"<= {_CPU_TARGET_PERCENT} %",
            is_met=max(shares) <= _CPU_TARGET_PERCENT,
        ),
        Row(
            measure="router at rest: resident memory",
            value=spread(memory, "MB", 1),
            target=f"<= {_MEMORY_TARGET_MB:.0f} MB",
            is_met=max(memory) <= _MEMORY_TARGET_MB,
        ),
    ]


def cpu_seconds(pid: int) -> float:
    """User and system time of the process, and of the programs that it has run and waited for."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")


def _switches(pid: int) -> int:
    """How often its threads went to sleep until now."""
    return sum(
        int(count)
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for count in re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.MULTILINE)
    )


def _resident_mb(pid: int) -> float:
    resident = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert resident is not None
    return int(resident[1]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=_REST_S, help="how long to watch the router at rest")
    arguments = parser.parse_args()
    run_alone(partial(take, arguments.seconds))


if __name__ == "__main__":
    main()
