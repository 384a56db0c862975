"""Launching Weave: how soon it is up, and how soon a second host is connected.

    python -m tests.bench.bench_launch

The image is there already, as on every launch but the first.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import datetime
from functools import partial
from typing import Final

from tests.bench.docker_hosts import Hosts, Watch, on_new_hosts, time_on
from tests.bench.measure import Row, alternate, run_alone, spread
from tests.lab.hosts import LabHost

_RUNS: Final = 5
_LAUNCH_TARGET_S: Final = 3.0
_CONNECT_TARGET_S: Final = 1.0
_START_TARGET_S: Final = 0.5


def take(hosts: Hosts) -> list[Row]:
    """Launches of a first and a second host, and starts of the router's container."""
    one, other = hosts
    first: list[float] = []
    second: list[float] = []
    connected: list[float] = []

    def launch_both() -> float:
        for host in hosts:
            host.run("weave setup", timeout=120)  # an installation edited meanwhile makes its image stale
        watches = [Watch(host, "/status/connections", " established ") for host in hosts]
        first.append(time_on(one, "weave launch") / 1000)
        second.append(time_on(other, f"weave launch {one.ip}") / 1000)
        returned = time.time()
        for host in hosts:
            host.run("weave status >/dev/null")  # launched means ready
        connected.append(max(0.0, max(watch.moment() for watch in watches) - returned))
        for host in hosts:
            host.run("weave reset --force")
        return first[-1]

    found = alternate(
        _RUNS,
        launch=launch_both,
        python=lambda: time_on(one, f"{sys.executable} -c pass") / 1000,
        container=lambda: time_on(one, "docker run --rm --net=host busybox true") / 1000,
    )
    baseline = f"docker run busybox {spread(found['container'], 's', 2)}"
    return [
        _row("weave launch, image there", first, _LAUNCH_TARGET_S, baseline),
        _row("weave launch HOST1, on a second host", second, _LAUNCH_TARGET_S, baseline),
        _row("second host connected after its launch", connected, _CONNECT_TARGET_S, ""),
        _row(
            "router's container start until the API answers",
            _container_starts(one),
            _START_TARGET_S,
            f"python -c pass {spread(found['python'], 's', 3)}",
        ),
    ]


def _row(measure: str, seconds: list[float], target_s: float, baseline: str) -> Row:
    return Row(
        measure=measure,
        value=spread(seconds, "s", 2),
        baseline=baseline,
        target=f"<= {target_s:g} s",
        is_met=statistics.median(seconds) <= target_s,
    )


def _container_starts(host: LabHost) -> list[float]:
    """Seconds from when Docker says that the router's container runs to the API's first answer."""
    host.run("weave launch-router")
    seconds = []
    for _ in range(_RUNS):
        host.run("docker stop weave")
        watch = Watch(host, "/status", "HTTP/1.")
        host.run("docker start weave")
        answered = watch.moment()
        started = host.run("docker inspect --format '{{.State.StartedAt}}' weave")
        # Docker counts nanoseconds, datetime microseconds.
        begun = datetime.fromisoformat(started[:26].rstrip("Z") + "+00:00").timestamp()
        seconds.append(answered - begun)
    return seconds


if __name__ == "__main__":
    run_alone(partial(on_new_hosts, take))
