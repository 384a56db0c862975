"""TCP and round trips in an isolated network, beside the network that all share, on the same hosts.

    python -m tests.bench.bench_realms [--runs 7] [--seconds 1] [--password]

With a password frames go by sleeve, else by VXLAN. Runs take turns.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial
from typing import Final

from tests.bench.bench_overlay import alternate_pings, path_in
from tests.bench.docker_hosts import Hosts, launch, on_new_hosts
from tests.bench.measure import Row, alternate, paired_ratio, run_alone, spread

_RUNS: Final = 7
_SECONDS: Final = 1
_TCP_TARGET: Final = 0.97
_NETWORK: Final = "bench-realm"


def take(hosts: Hosts, runs: int = _RUNS, seconds: int = _SECONDS, *, is_sealed: bool = False) -> list[Row]:
    """Throughput and round trip of both networks."""
    if is_sealed:
        for host in hosts:
            host.run("umask 077; echo a long and random one >/root/weave-password")
    launch(hosts, "--password-file=/root/weave-password" if is_sealed else "")
    for host in hosts:
        host.run(
            f"docker network create -d weave --ipam-driver weave --subnet 10.33.1.0/24"
            f" -o works.weave.network={_NETWORK} {_NETWORK}"
        )
    isolated, shared = path_in(hosts, _NETWORK), path_in(hosts, "weave")
    for path in (isolated, shared):
        path.gigabits(1)  # neighbours, forwarding entries and caches
    rates = alternate(
        runs, isolated=partial(isolated.gigabits, seconds), shared=partial(shared.gigabits, seconds)
    )
    medians = [statistics.median(one) for one in alternate_pings(isolated, shared)]
    tcp, trip = paired_ratio(rates["isolated"], rates["shared"]), medians[0] / medians[1]
    overlay = "sleeve" if is_sealed else "vxlan"
    return [
        Row(
            measure=f"TCP in an isolated network, {overlay}",
            value=spread(rates["isolated"], "Gbit/s", 2),
            baseline=f"shared network {spread(rates['shared'], 'Gbit/s', 2)}",
            compared=f"{tcp:.3f} of it",
            target=f">= {_TCP_TARGET}",
            is_met=tcp >= _TCP_TARGET,
        ),
        Row(
            measure=f"round trip in an isolated network, {overlay}",
            value=f"{medians[0]:.3f} ms",
            baseline=f"shared network {medians[1]:.3f} ms",
            compared=f"{trip:.3f} of it",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=_RUNS)
    parser.add_argument("--seconds", type=int, default=_SECONDS, help="length of each iperf3 run")
    parser.add_argument("--password", action="store_true", help="by sleeve")
    chosen = parser.parse_args()
    run_alone(
        partial(
            on_new_hosts,
            partial(take, runs=chosen.runs, seconds=chosen.seconds, is_sealed=chosen.password),
        )
    )


if __name__ == "__main__":
    main()
