"""The plugin killed in the middle of Docker's calls: what Docker's command then comes to, and the next one.

A point is a call and a moment: `before` it has had any effect, `after` all of it and before the reply.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.lab.checks import until
from tests.lab.hosts import LabHost

#: Where launch has to be told that faults are wished for; see weave_cli.plugin.faults.
FAULT_FILE: Final = "/run/docker/plugins/weave.fault"
#: Seconds in which a command of Docker's has to end, with success or not.
LIMIT_S: Final = 20.0

#: The command during which Docker makes the call, and those that prepare it and take it back.
_CREATE: Final = "docker network create -d weavemesh --ipam-driver weavemesh --subnet 10.32.8.0/24 tried"
_REMOVE: Final = "docker network rm tried"
_RUN: Final = "docker run -d --init --name tried --net weave busybox sleep 1d"
_END: Final = "docker rm -f tried"

_DURING: Final = {
    "IpamDriver.RequestPool": _CREATE,
    "NetworkDriver.CreateNetwork": _CREATE,
    "NetworkDriver.DeleteNetwork": _REMOVE,
    "IpamDriver.ReleasePool": _REMOVE,
    "IpamDriver.RequestAddress": _RUN,
    "NetworkDriver.CreateEndpoint": _RUN,
    "NetworkDriver.Join": _RUN,
    "NetworkDriver.ProgramExternalConnectivity": _RUN,
    "NetworkDriver.EndpointOperInfo": _RUN,
    "NetworkDriver.RevokeExternalConnectivity": _END,
    "NetworkDriver.Leave": _END,
    "NetworkDriver.DeleteEndpoint": _END,
    "IpamDriver.ReleaseAddress": _END,
}
_UNDO: Final = {_CREATE: _REMOVE, _RUN: _END}
_PREPARE: Final = {_REMOVE: _CREATE, _END: _RUN}

MOMENTS: Final = ("before", "after")
ALL_POINTS: Final = tuple((call, moment) for call in _DURING for moment in MOMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a fault at one point came to."""

    call: str
    moment: str
    was_reached: bool
    """False: this engine does not make the call."""
    status: int
    seconds: float
    said: str

    def __str__(self) -> str:
        fate = f"{'success' if self.status == 0 else 'error'} after {self.seconds:4.1f} s"
        return f"{self.call:<42} {self.moment:<7} {fate if self.was_reached else 'never called'} {self.said}"


def kill_at(host: LabHost, call: str, moment: str) -> Outcome:
    """Let the plugin die there; then the same command works, and so does what takes it back."""
    command = _DURING[call]
    if command in _PREPARE:
        host.run(_PREPARE[command])
    host.run(f"echo {call} {moment} >{FAULT_FILE}")
    began = time.monotonic()
    done = host.sh(command, timeout=LIMIT_S)
    seconds = time.monotonic() - began
    was_reached = host.sh(f"rm {FAULT_FILE}").status != 0
    until(lambda: host.sh("weave status | grep -q plugin").status == 0, 30, "Docker started the plugin again")
    if was_reached:
        # Docker waits longer from death to death of one container, and forgets it when told to restart it.
        host.run("docker restart -t 0 weaveplugin")
    if done.status != 0:
        host.sh(_END if command in (_RUN, _END) else "true")
        again = host.sh(command, timeout=LIMIT_S)
        assert again.status == 0 or command in (_REMOVE, _END), again
    if command in _UNDO:
        host.run(_UNDO[command], timeout=LIMIT_S)
    return Outcome(
        call=call,
        moment=moment,
        was_reached=was_reached,
        status=done.status,
        seconds=seconds,
        said=next((line[:150] for line in done.stderr.splitlines() if "daemon" in line), ""),
    )


def kill_at_each(host: LabHost, points: tuple[tuple[str, str], ...]) -> Iterator[Outcome]:
    """One after the other, in one life of the host."""
    return (kill_at(host, call, moment) for call, moment in points)
