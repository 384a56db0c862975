"""How a mesh of real routers grows: each knows only the first, and all get to know each other.

    python -m tests.bench.bench_mesh_growth [PEERS ...]

All routers run first, unconnected, so that the start of so many Python processes is not measured; then the
others are told of the first, all at once. Each is a process in a namespace of its own on one bridge.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.bench.bench_router import cpu_seconds
from tests.bench.growth import Growth, render_growth
from tests.bench.measure import BenchProblem, clean_up_when_ended
from tests.bench.routers import Node, nodes
from tests.kernel.namespaces import call_in
from weave_cli.api.sync import RouterClient
from weave_cli.names import HTTP_ADDRESS

_SIZES: Final = (5, 10, 20, 40)
_STARTS_AT_ONCE: Final = 4
_POLL_S: Final = 0.1
_DEADLINE_S: Final = 300.0


def measure(count: int) -> Growth:
    """Grow one mesh of so many routers."""
    with nodes(count) as made:
        for begin in range(0, count, _STARTS_AT_ONCE):
            for node in made[begin : begin + _STARTS_AT_ONCE]:
                node.start_router()
            for node in made[begin : begin + _STARTS_AT_ONCE]:
                node.wait_until_ready()
        first, *others = made
        clients = {node: call_in(node.name, lambda: RouterClient(HTTP_ADDRESS)) for node in made}
        before = _cpu_of(made)

        def connect(node: Node) -> None:
            call_in(node.name, lambda: clients[node].connect([first.address], replace=False))

        with ThreadPoolExecutor(8) as threads:
            begun = time.perf_counter()
            list(threads.map(connect, others))
        for node in made:
            _wait_for_all_links(node, clients[node], count, begun)
        seconds = time.perf_counter() - begun
        spent = _cpu_of(made) - before
        sent = [_sent_by(node) for node in made]
        return Growth(
            peers=count,
            seconds=seconds,
            messages=sum(messages for messages, _ in sent),
            megabytes=sum(octets for _, octets in sent) / 1e6,
            cpu_seconds=spent,
        )


def _wait_for_all_links(node: Node, client: RouterClient, count: int, begun: float) -> None:
    wanted = f"{count} (with {count * (count - 1)} established connections)"
    while True:
        page = call_in(node.name, lambda: client.get_status().text)
        if wanted in page:
            return
        if time.perf_counter() - begun > _DEADLINE_S:
            known = re.search(r"Peers: .*", page)
            raise BenchProblem(f"no full mesh of {count} after {_DEADLINE_S:.0f} s: {known and known[0]}")
        time.sleep(_POLL_S)


def _cpu_of(made: Sequence[Node]) -> float:
    return sum(cpu_seconds(pid) for node in made for pid in node.router_pids)


def _sent_by(node: Node) -> tuple[int, int]:
    """Segments with data (a message is one, unless it is large) and octets of its mesh connections."""
    command = [*node.entry, "ss", "-tiHn", "( sport = :6783 or dport = :6783 )"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    segments = sum(map(int, re.findall(r"data_segs_out:(\d+)", shown)))
    return segments, sum(map(int, re.findall(r"bytes_sent:(\d+)", shown)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", type=int, nargs="*", default=_SIZES, help="sizes of the meshes")
    arguments = parser.parse_args()
    clean_up_when_ended()
    try:
        print(render_growth([measure(count) for count in arguments.peers]))
    except BenchProblem as problem:
        raise SystemExit(f"not measured: {problem}") from problem


if __name__ == "__main__":
    main()
