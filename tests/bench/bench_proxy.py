"""Docker's API through the proxy beside Docker's own socket: time per call, and octets per second.

python -m tests.bench.bench_proxy                # BENCH_PROXY_MB=1000 for a larger image
"""

from __future__ import annotations

import os
import shlex
import statistics
import sys
from functools import partial
from typing import Final

from tests.bench.docker_hosts import REPOSITORY, Hosts, on_new_hosts, time_on
from tests.bench.measure import Row, alternate, paired_ratio, run_alone, spread
from tests.lab.hosts import LabHost

_ROUNDS: Final = 7
_LOADS: Final = 5
_CALLS: Final = 300
_SIZE_MB: Final = int(os.environ.get("BENCH_PROXY_MB", "400"))
_MOST_MB: Final = 100
_SOCKETS: Final = {"bare": "/var/run/docker.sock", "proxy": "/var/run/weave/weave.sock"}
_IMAGE: Final = "/tmp/bench-image.tar"


def take(hosts: Hosts) -> list[Row]:
    """What a call and an octet cost more for going through the proxy."""
    host, _ = hosts
    host.run("weave launch-proxy")
    host.run(
        f"head -c {_SIZE_MB}M /dev/urandom >/tmp/bench-layer; tar c -C /tmp bench-layer |"
        f" docker import - bench:proxy; docker save bench:proxy -o {_IMAGE}; docker rmi bench:proxy",
        timeout=300,
    )
    rows = [
        _time_per_call(host, "GET /_ping on a kept line", "/_ping", keeps=True),
        _time_per_call(host, "GET /containers/json on a new line", "/containers/json", keeps=False),
    ]
    commands = {
        f"docker load of {_SIZE_MB} MB": f"load -q -i {_IMAGE}",
        f"docker save of {_SIZE_MB} MB": "save bench:proxy",
    }
    for name, words in commands.items():
        measures = {
            side: partial(time_on, host, f"docker -H unix://{path} {words}")
            for side, path in _SOCKETS.items()
        }
        found = alternate(_LOADS, **measures)
        ratio = paired_ratio(found["bare"], found["proxy"])
        rows.append(
            Row(
                measure=name,
                value=f"{_SIZE_MB * 1000 / statistics.median(found['proxy']):.0f} MB/s",
                baseline=f"bare socket {_SIZE_MB * 1000 / statistics.median(found['bare']):.0f} MB/s",
                compared=f"{ratio:.2f} of it",
            )
        )
    pid = host.run("docker inspect -f '{{.State.Pid}}' weaveproxy").strip()
    highest_mb = int(host.run(f"grep VmHWM /proc/{pid}/status").split()[1]) / 1000
    rows.append(
        Row(
            measure="memory of the proxy after all that",
            value=f"{highest_mb:.0f} MB",
            target=f"< {_MOST_MB} MB",
            is_met=highest_mb < _MOST_MB,
        )
    )
    return rows


def _time_per_call(host: LabHost, name: str, path: str, *, keeps: bool) -> Row:
    def measure(socket_path: str) -> float:
        words = [sys.executable, "-m", "tests.bench.engine_calls", socket_path, path, str(_CALLS)]
        return float(host.run(f"cd {REPOSITORY} && {shlex.join(words)}{' keep' if keeps else ''}"))

    found = alternate(_ROUNDS, **{side: partial(measure, path) for side, path in _SOCKETS.items()})
    return Row(
        measure=name,
        value=spread(found["proxy"], "us"),
        baseline=f"bare socket {spread(found['bare'], 'us')}",
        compared=f"{paired_ratio(found['proxy'], found['bare']):.2f} times",
    )


if __name__ == "__main__":
    run_alone(partial(on_new_hosts, take))
