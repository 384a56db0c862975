"""A container on the mesh, from `docker run` to its end, beside one on a bridge network of Docker's own.

python -m tests.bench.bench_run
"""

from __future__ import annotations

from functools import partial
from typing import Final

from tests.bench.docker_hosts import Hosts, launch, on_new_hosts, time_on
from tests.bench.measure import Row, alternate, paired_difference, run_alone, spread

_PAIRS: Final = 10
_TARGET_MS: Final = 20.0


def take(hosts: Hosts) -> list[Row]:
    """What a container costs more for being on the mesh."""
    one, _ = hosts
    launch(hosts)
    one.run("docker network create bench-bridge")
    for network in ("weave", "bench-bridge"):  # the first ones pay for what is made once
        time_on(one, f"docker run --rm --net={network} busybox true")
    found = alternate(
        _PAIRS,
        weave=partial(time_on, one, "docker run --rm --net=weave busybox true"),
        bridge=partial(time_on, one, "docker run --rm --net=bench-bridge busybox true"),
    )
    more_ms = paired_difference(found["weave"], found["bridge"])
    return [
        Row(
            measure="docker run --rm --net=weave busybox true",
            value=spread(found["weave"], "ms"),
            baseline=f"bridge network {spread(found['bridge'], 'ms')}",
            compared=f"{more_ms:+.0f} ms",
            target=f"<= +{_TARGET_MS:.0f} ms",
            is_met=more_ms <= _TARGET_MS,
        )
    ]


if __name__ == "__main__":
    run_alone(partial(on_new_hosts, take))
