"""Ten thousand names and fewer: octets of the gossip, time to read and write it, look-ups, memory.

    python -m tests.bench.bench_names

How each grows from a hundred names to ten thousand is compared with the growth of the names, a hundredfold.
"""

from __future__ import annotations

import random
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Final

from tests.bench.measure import Row, run_alone
from weave_cli.names import PeerName
from weave_cli.router.nameserver.registry import NameRegistry

_COUNTS: Final = (100, 1000, 10_000)
_RUNS: Final = 5
_LOOKUPS: Final = 100_000
_NOW: Final = 1_800_000_000.0


class _Everybody:
    """A mesh in which every peer is known."""

    def is_known(self, name: PeerName) -> bool:
        return True

    def nickname_of(self, name: PeerName) -> str:
        return ""


def take() -> list[Row]:
    """One row for each property; its columns are the counts of names."""
    columns = [_measure(count) for count in _COUNTS]
    return [
        Row(
            measure=measure,
            value=" / ".join(f"{column[measure]:.{3 if column[measure] < 10 else 0}f}" for column in columns),
            compared=f"x {columns[-1][measure] / columns[0][measure]:.0f} for x 100",
        )
        for measure in columns[0]
    ]


def _measure(count: int) -> dict[str, float]:
    """Values by what they are, with their units."""
    tracemalloc.start()
    ours = _registry(1, count)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    octets = _state(ours, 0)
    others = [_registry(2, 0) for _ in range(_RUNS)]
    first = [_ms(lambda other=other: other.on_gossip(octets, _NOW)) for other in others]  # type: ignore[misc]
    return {
        "memory, kB": held / 1000,
        "gossip, kB": len(octets) / 1000,
        "written, ms": statistics.median(_ms(lambda run=run: _state(ours, run)) for run in range(_RUNS)),  # type: ignore[misc]
        "read when new, ms": statistics.median(first),
        "read when known, ms": statistics.median(
            _ms(lambda run=run: others[0].on_gossip(octets, _NOW + run))  # type: ignore[misc]
            for run in range(_RUNS)
        ),
        "one name added, ms": statistics.median(
            _ms(lambda run=run: ours.add("new.weave.local.", f"n{run}", run, _NOW))  # type: ignore[misc]
            for run in range(_RUNS)
        ),
        "look-ups, 1000/s": _LOOKUPS / _ms(lambda: _look_up(others[0])),
    }


def _registry(number: int, names: int) -> NameRegistry:
    """With container ids as long as Docker's."""
    registry = NameRegistry(name=PeerName(number), domain="weave.local.", directory=_Everybody())
    rng = random.Random(number)
    for one in range(names):
        registry.add(f"service-{one}.weave.local.", f"{rng.getrandbits(256):064x}", 0x0A200000 + one, _NOW)
    registry.on_wake(_NOW + 10)
    return registry


def _state(registry: NameRegistry, later: int) -> bytes:
    state = registry.complete_state(_NOW)
    assert state is not None
    return state.encode(_NOW + later)


def _look_up(registry: NameRegistry) -> None:
    for _ in range(_LOOKUPS):
        registry.lookup("service-77.weave.local.")


def _ms(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    run_alone(take)
