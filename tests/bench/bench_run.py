"""A container on the mesh, from `docker run` to its end, beside one on a bridge network of Docker's own.

    python -m tests.bench.bench_run

On a plugin's network Docker gives every container a second endpoint, on docker_gwbridge, for the way out; not
so when the network is `--internal`. The kernel waits 13-20 ms whenever a device changes its namespace. So
a plugin that does nothing at all, with its devices prepared beforehand, is the second baseline: no plugin
whose devices Docker moves can be faster. The same plugin without any device tells what of it is Docker's
second endpoint and its questions. The last row is what ours takes to answer all calls of a container's life.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from tests.bench.docker_hosts import REPOSITORY, Hosts, on_new_hosts, time_on
from tests.bench.measure import BenchProblem, Row, alternate, paired_difference, run_alone, spread
from tests.lab.hosts import LabHost

_PAIRS: Final = 10
_LIVES: Final = 20
_TARGET_MS: Final = 20.0
#: What can be held where a plugin that does nothing is over the target already (docs/decisions, 22).
_ABOVE_IDLE_MS: Final = 10.0
_NETWORKS: Final = {
    "weave": "weave",
    "bridge": "bench-bridge",
    "internal": "bench-internal",
    "idle": "bench-idle",
    "bare": "bench-bare",
}
_IDLE_SUBNET: Final = "10.99.0.0/16"


def take(hosts: Hosts) -> list[Row]:
    """What a container costs more for being on the mesh."""
    host, _ = hosts
    host.run("weave launch")
    host.run("docker network create bench-bridge")
    host.run("docker network create --driver weave --ipam-driver weave --internal bench-internal")
    runs = {
        name: partial(time_on, host, f"docker run --rm --net={network} busybox true")
        for name, network in _NETWORKS.items()
    }
    with _idle_network(host, pairs=_PAIRS + 1):
        for run in runs.values():
            run()  # the first ones pay for what is made once
        found = alternate(_PAIRS, **runs)
    calls = host.run(f"cd {REPOSITORY} && {sys.executable} -m tests.bench.plugin_calls {_LIVES}")
    bridge = f"bridge network {spread(found['bridge'], 'ms')}"
    more_ms = paired_difference(found["weave"], found["bridge"])
    idle_ms = paired_difference(found["idle"], found["bridge"])
    above_ms = paired_difference(found["weave"], found["idle"])
    bare_ms = paired_difference(found["bare"], found["bridge"])
    internal_ms = paired_difference(found["internal"], found["bridge"])
    return [
        Row(
            measure="docker run --rm --net=weave busybox true",
            value=spread(found["weave"], "ms"),
            baseline=f"{bridge}, idle plugin {spread(found['idle'], 'ms')}",
            compared=f"{more_ms:+.0f} ms, idle plugin {idle_ms:+.0f} ms",
            target=f"<= +{_TARGET_MS:.0f} ms",
            is_met=more_ms <= _TARGET_MS,
        ),
        Row(
            measure="  more than with a plugin that does nothing",
            value=f"{above_ms:+.0f} ms",
            target=f"<= +{_ABOVE_IDLE_MS:.0f} ms",
            is_met=above_ms <= _ABOVE_IDLE_MS,
        ),
        Row(
            measure="  that plugin without any device to move",
            value=spread(found["bare"], "ms"),
            baseline=bridge,
            compared=f"{bare_ms:+.0f} ms",
        ),
        Row(
            measure="  on an internal network: no docker_gwbridge",
            value=spread(found["internal"], "ms"),
            baseline=bridge,
            compared=f"{internal_ms:+.0f} ms",
        ),
        Row(
            measure="  of it the plugin's answers, all six calls",
            value=spread([float(line) for line in calls.split()], "ms", 1),
        ),
    ]


@contextmanager
def _idle_network(host: LabHost, *, pairs: int) -> Iterator[None]:
    """Networks bench-idle and bench-bare of a plugin that does nothing; weave's bridge must be there."""
    command = f"{sys.executable} -m tests.bench.idle_plugin bench-idle {_IDLE_SUBNET} {pairs}"
    said = "/tmp/bench-idle"
    pid = host.run(f"cd {REPOSITORY} && {{ setsid {command} >{said} 2>&1 & echo $!; }}")
    try:
        wait = f"until grep -q ready {said}; do kill -0 {pid} || exit; sleep 0.1; done"
        if host.sh(f"timeout 30 bash -c '{wait}'").status != 0:
            raise BenchProblem(f"the idle plugin did not start: {host.run(f'cat {said}')}")
        create = f"docker network create --driver bench-idle --ipam-driver bench-idle --subnet {_IDLE_SUBNET}"
        host.run(f"{create} bench-idle")
        host.run(f"{create} --opt bare=yes bench-bare")
        yield
        host.run("docker network rm bench-idle bench-bare")
    finally:
        host.sh(f"kill {pid} && tail --pid={pid} -f /dev/null", timeout=30)


if __name__ == "__main__":
    run_alone(partial(on_new_hosts, take))
