"""Every command that only asks something, beside a Python that does nothing.

python -m tests.bench.bench_command
"""

from __future__ import annotations

import statistics
import sys
from functools import partial
from typing import Final

from tests.bench.docker_hosts import Hosts, on_new_hosts, time_on
from tests.bench.measure import Row, alternate, paired_difference, run_alone, spread

_RUNS: Final = 15
_ASKING_MS: Final = 150.0  # a command that only asks something
_TARGETS_MS: Final = {
    "weave dns-args": 120.0,
    "weave --help": 80.0,
    "weave status": _ASKING_MS,
    "weave status targets": _ASKING_MS,
    "weave status connections": _ASKING_MS,
    "weave status peers": _ASKING_MS,
    "weave status dns": _ASKING_MS,
    "weave status ipam": _ASKING_MS,
    "weave -o json status": _ASKING_MS,
    "weave -o json status peers": _ASKING_MS,
    "weave status topology": _ASKING_MS,
    "weave status topology -o json": _ASKING_MS,
    "weave report": _ASKING_MS,
    "weave report -f {{.Version}}": _ASKING_MS,
    "weave -o json report": _ASKING_MS,
    "weave ps": _ASKING_MS,
    "weave ps weave:expose": _ASKING_MS,
    "weave -o json ps": _ASKING_MS,
    "weave dns-lookup nobody": _ASKING_MS,
    "weave version": _ASKING_MS,
    "weave prime": _ASKING_MS,
    "weave env": _ASKING_MS,
    "weave bridge-type": _ASKING_MS,
    "weave docker-bridge-ip": _ASKING_MS,
    "COMP_LINE='weave attach ' _WEAVE_COMPLETE=bash_complete weave": _ASKING_MS,
    "COMP_LINE='weave forget ' _WEAVE_COMPLETE=bash_complete weave": _ASKING_MS,
}


def take(hosts: Hosts) -> list[Row]:
    """Each command on a host where Weave runs."""
    host = hosts[0]
    host.run("weave launch")
    found = alternate(
        _RUNS,
        nothing=partial(time_on, host, f"{sys.executable} -c pass"),
        **{command: partial(time_on, host, command) for command in _TARGETS_MS},
    )
    baseline = f"python -c pass {spread(found['nothing'], 'ms')}"
    return [
        Row(
            measure=command,
            value=spread(found[command], "ms"),
            baseline=baseline,
            compared=f"{paired_difference(found[command], found['nothing']):+.0f} ms",
            target=f"<= {target_ms:.0f} ms",
            is_met=statistics.median(found[command]) <= target_ms,
        )
        for command, target_ms in _TARGETS_MS.items()
    ]


if __name__ == "__main__":
    run_alone(partial(on_new_hosts, take))
