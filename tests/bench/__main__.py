"""All measures, one table.

    python -m tests.bench

Asserts no time: the status is 0 unless something could not be measured at all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from tests.bench import (
    bench_allocator,
    bench_command,
    bench_dns,
    bench_launch,
    bench_names,
    bench_overlay,
    bench_proxy,
    bench_realms,
    bench_router,
    bench_run,
    bench_sleeve,
)
from tests.bench.docker_hosts import Hosts, docker_hosts, restore, take_on
from tests.bench.measure import NOISE, BenchProblem, Row, clean_up_when_ended, render

_ALONE: Final[dict[str, Callable[[], list[Row]]]] = {
    "weaveDNS": bench_dns.take,
    "names": bench_names.take,
    "allocator": bench_allocator.take,
    "router": bench_router.take,
    "sleeve": bench_sleeve.take,
}
_ON_HOSTS: Final[dict[str, Callable[[Hosts], list[Row]]]] = {
    "overlay": bench_overlay.take,
    "realms": bench_realms.take,
    "docker run": bench_run.take,
    "commands": bench_command.take,
    "launch": bench_launch.take,
    "proxy": bench_proxy.take,
}


def main() -> int:
    """Run everything; what cannot be measured does not keep the rest from it."""
    clean_up_when_ended()
    begun = time.monotonic()
    rows: list[Row] = []
    problems = [_add(rows, name, take) for name, take in _ALONE.items()]
    try:
        with docker_hosts() as hosts:
            for name, take in _ON_HOSTS.items():
                problems.append(_add(rows, name, partial(take_on, hosts, take)))
                restore(hosts)
    except BenchProblem as problem:
        problems.append(f"lab hosts: {problem}")
    print(render(rows))
    print(NOISE)
    print(f"Took {time.monotonic() - begun:.0f} s.")
    failed = [text for text in problems if text]
    for text in failed:
        print(f"not measured: {text}", file=sys.stderr)
    return 1 if failed else 0


def _add(rows: list[Row], name: str, take: Callable[[], list[Row]]) -> str | None:
    """Add the rows of one bench; why there are none, or None."""
    print(f"measuring: {name}", file=sys.stderr, flush=True)
    try:
        rows.extend(take())
    except BenchProblem as problem:
        return f"{name}: {problem}"
    return None


if __name__ == "__main__":
    sys.exit(main())
