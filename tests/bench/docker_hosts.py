"""Two real Docker hosts of the lab for the benches that need them, and commands timed on them."""

from __future__ import annotations

import contextlib
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.bench.measure import BenchProblem, Row
from tests.lab import engines, needs
from tests.lab.box import BoxBroken
from tests.lab.hosts import EngineSilent, Lab, LabHost
from tests.lab.shell import CommandFailed

Hosts = tuple[LabHost, LabHost]

#: Seen by lab hosts at the same place.
REPOSITORY: Final = Path(__file__).resolve().parents[2]
_WATCH_S: Final = 60.0


@contextlib.contextmanager
def docker_hosts() -> Iterator[Hosts]:
    """Hosts with our image and nothing launched, gone with the context. Raises BenchProblem."""
    if reason := needs.unmet():
        raise BenchProblem(reason)
    try:
        with Lab(engines.prepare(engines.DEFAULT)) as lab:
            one, other = lab.hosts(2)
            for host in (one, other):
                host.run("weave setup", timeout=120)
            yield one, other
    except (CommandFailed, EngineSilent, engines.EngineMissing, BoxBroken, OSError) as problem:
        raise BenchProblem(str(problem)) from problem


def on_new_hosts(take: Callable[[Hosts], list[Row]]) -> list[Row]:
    """The rows of a bench that is run alone; raises BenchProblem."""
    with docker_hosts() as hosts:
        return take_on(hosts, take)


def take_on(hosts: Hosts, take: Callable[[Hosts], list[Row]]) -> list[Row]:
    """The rows of one bench; what fails on a host is a BenchProblem."""
    try:
        return take(hosts)
    except (CommandFailed, EngineSilent, BoxBroken) as problem:
        raise BenchProblem(str(problem)) from problem


def launch(hosts: Hosts, words: str = "") -> None:
    """Launch Weave on both and return when they are connected."""
    one, other = hosts
    connected = [Watch(host, "/status/connections", " established ") for host in hosts]
    one.run(f"weave launch {words}")
    other.run(f"weave launch {words} {one.ip}")
    for watch in connected:
        watch.moment()


def restore(hosts: Hosts) -> None:
    """Bring both hosts back to what docker_hosts gave; raises BenchProblem."""
    try:
        for host in hosts:
            if host.clean():
                host.run("weave setup", timeout=120)  # it is a new one
    except (CommandFailed, EngineSilent, BoxBroken, OSError) as problem:
        raise BenchProblem(f"the host cannot be restored: {problem}") from problem


def time_on(host: LabHost, command: str) -> float:
    """Milliseconds that a command takes on the host, entering it excluded; raises CommandFailed."""
    # bash's own clock: a dot or a comma stands before the microseconds.
    spent = host.run(
        f"begun=$EPOCHREALTIME; {command} >/dev/null || exit; ended=$EPOCHREALTIME; "
        "echo $((${ended/[.,]/} - ${begun/[.,]/}))"
    )
    return int(spent) / 1000


class Watch:
    """Looks from now on for the moment at which the host's router says something."""

    def __init__(self, host: LabHost, path: str, word: str) -> None:
        self._what = f"{path} {word!r} on {host.name}"
        command = shlex.join([sys.executable, "-m", "tests.bench.await_page", path, word])
        self._found: list[float] = []

        def look() -> None:
            with contextlib.suppress(CommandFailed, BoxBroken):
                self._found.append(float(host.run(f"cd {REPOSITORY} && {command}", timeout=_WATCH_S)))

        # A daemon: it must not hold up the end, at which its host goes and it with that.
        self._thread = threading.Thread(target=look, daemon=True)
        self._thread.start()

    def moment(self) -> float:
        """The Unix time at which it did; raises BenchProblem when it did not in time."""
        self._thread.join()
        if not self._found:
            raise BenchProblem(f"not seen: {self._what}")
        return self._found[0]
