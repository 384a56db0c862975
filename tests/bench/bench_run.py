"""A container on the mesh, from `docker run` to its end, beside one on a bridge network of Docker's own.

    python -m tests.bench.bench_run

Two more rows say where the difference is made. On a plugin's network Docker gives every container a second
endpoint, on docker_gwbridge, for the way out; not so when the network is `--internal`. The last row is what
the plugin itself takes to answer all calls of one container's life.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Final

from tests.bench.docker_hosts import REPOSITORY, Hosts, on_new_hosts, time_on
from tests.bench.measure import Row, alternate, paired_difference, run_alone, spread

_PAIRS: Final = 10
_LIVES: Final = 20
_TARGET_MS: Final = 20.0
_NETWORKS: Final = {"weave": "weave", "bridge": "bench-bridge", "internal": "bench-internal"}


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
    for run in runs.values():
        run()  # the first ones pay for what is made once
    found = alternate(_PAIRS, **runs)
    calls = host.run(f"cd {REPOSITORY} && {sys.executable} -m tests.bench.plugin_calls {_LIVES}")
    bridge = f"bridge network {spread(found['bridge'], 'ms')}"
    more_ms = paired_difference(found["weave"], found["bridge"])
    internal_ms = paired_difference(found["internal"], found["bridge"])
    return [
        Row(
            measure="docker run --rm --net=weave busybox true",
            value=spread(found["weave"], "ms"),
            baseline=bridge,
            compared=f"{more_ms:+.0f} ms",
            target=f"<= +{_TARGET_MS:.0f} ms",
            is_met=more_ms <= _TARGET_MS,
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


if __name__ == "__main__":
    run_alone(partial(on_new_hosts, take))
