"""How a mesh of simulated routers grows: each knows only the first, and all get to know each other.

    python -m tests.bench.bench_mesh_simulated [PEERS ...]

Whole router cores in one process on the pretended network, with its own clock: the seconds are simulated, the
processor's are real and those of all routers together. `bench_mesh_growth` does the same with real routers.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from typing import Final

from tests.bench.growth import Growth, render_growth
from tests.bench.measure import BenchProblem
from tests.fakes.network import Station
from tests.fakes.router_cores import RouterNetwork
from weave_cli.router.ipam.allocator import Setup

_SIZES: Final = (50, 100, 200)
_DEADLINE_S: Final = 60.0


class _UnguardedNetwork(RouterNetwork):
    """What is said is only counted: looking at it would cost more than saying it."""

    def on_message(self, station: Station, tag: int, payload: bytes) -> None:
        pass


def measure(count: int) -> Growth:
    """Grow one mesh of so many routers."""
    network = _UnguardedNetwork(1, whole="10.32.0.0/12", make_setup=lambda _: Setup(peer_count=count))
    network.add(count)
    begun, spent = network.now, time.process_time()
    for number in range(2, count + 1):
        network.connect(number, 1)

    def is_known_to_all() -> bool:
        return network.is_full_mesh() and all(
            sum(link.established for peer in station.node.peers() for link in peer.links)
            == count * (count - 1)
            for station in network.stations.values()
        )

    if not network.run_until(is_known_to_all, _DEADLINE_S):
        raise BenchProblem(f"no full mesh of {count} after {_DEADLINE_S:.0f} simulated seconds")
    return Growth(
        peers=count,
        seconds=network.now - begun,
        messages=network.messages,
        megabytes=network.octets / 1e6,
        cpu_seconds=time.process_time() - spent,
    )


def in_words(lines: Sequence[Growth]) -> str:
    """With which power of the number of peers everything grows, from the smallest mesh to the largest."""
    first, last = lines[0], lines[-1]
    if first.peers == last.peers:
        return ""

    def power(before: float, after: float) -> str:
        return f"{math.log(after / before) / math.log(last.peers / first.peers):.1f}"

    messages = power(first.messages, last.messages)
    octets = power(first.megabytes, last.megabytes)
    cpu = power(first.cpu_seconds, last.cpu_seconds)
    return (
        f"From {first.peers} to {last.peers} peers messages grow with the power {messages} of their number, "
        f"octets with {octets}, processor time with {cpu}.\n"
        "Links grow with 2, and what all must hear of all links with 3: less cannot be had."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", type=int, nargs="*", default=_SIZES, help="sizes of the meshes")
    arguments = parser.parse_args()
    try:
        lines = [measure(count) for count in arguments.peers]
    except BenchProblem as problem:
        raise SystemExit(f"not measured: {problem}") from problem
    print(render_growth(lines))
    print(in_words(lines))


if __name__ == "__main__":
    main()
