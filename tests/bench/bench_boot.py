"""How long Docker takes to come up with a plugin's networks, and when their containers are up again.

    python -m tests.bench.bench_boot [--without-before] [ENGINE...]

One run each, of a host with two containers that Docker restarts. Without plugin they are on a bridge
network; with one, on its network. A plugin without our measures is one that does nothing, in a container, and
leaves its socket; it takes most of the time, and can be left out.

Each row: seconds until the engine answers, and until all containers run; `down` after a minute and a half.
systemd runs the engine; at a power-off, what comes before it counts too: namespaces, systemd itself, and
services.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.bench.docker_hosts import REPOSITORY
from tests.bench.measure import BenchProblem, Row, run_alone
from tests.lab import engines, needs
from tests.lab.box import BoxBroken
from tests.lab.hosts import EngineSilent, Lab, LabHost
from tests.lab.shell import CommandFailed
from tests.lab.systemd import bring_systemd
from weave_cli.names import image_name

_COUNT: Final = 2
_PATIENCE_S: Final = 90.0
_ENGINE_S: Final = 300.0
_TARGET_S: Final = 5.0
_DRIVER: Final = "bench-idle"
_NAMES: Final = tuple(f"held{number}" for number in range(_COUNT))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Seconds; None: not all are up."""

    engine_s: float
    containers_s: float | None

    def __str__(self) -> str:
        up = "down" if self.containers_s is None else f"{self.containers_s:.1f}"
        return f"{self.engine_s:.1f} / {up} s"


def take(versions: tuple[str, ...] = engines.VERSIONS, *, has_before: bool = True) -> list[Row]:
    """The rows of all engines. Raises BenchProblem."""
    if reason := needs.unmet():
        raise BenchProblem(reason)
    rows = []
    for version in versions:
        try:
            with Lab(engines.prepare(version)) as lab:
                rows += _take(lab.host(1), version, has_before=has_before)
        except (CommandFailed, EngineSilent, engines.EngineMissing, BoxBroken, OSError) as problem:
            raise BenchProblem(f"engine {version}: {problem}") from problem
    return rows


def _take(host: LabHost, version: str, *, has_before: bool) -> list[Row]:
    bring_systemd(host)
    bare = _measure(host, "bridge", _nothing)
    before = _measure(host, "idle", _idle) if has_before else {}
    containers = _measure(host, "weave", _launched)
    host.run("weave reset --force", timeout=120)
    services = _measure(host, "weave", _served)
    rows = []
    for way in _WAYS:
        if way in bare:
            slower_s = services[way].engine_s - bare[way].engine_s
            rows.append(
                Row(
                    measure=f"{version}, {way}: services",
                    value=str(services[way]),
                    baseline=f"no plugin {bare[way]}",
                    compared=f"{slower_s:+.1f} s",
                    target=f"<= +{_TARGET_S:.0f} s",
                    is_met=slower_s <= _TARGET_S and services[way].containers_s is not None,
                )
            )
        rows.append(
            Row(
                measure=f"{version}, {way}: containers of ours",
                value=str(containers[way]),
                baseline=f"plugin without measures {before.get(way, 'not asked for')}",
                target="none down",
                is_met=containers[way].containers_s is not None,
            )
        )
    return rows


def _measure(host: LabHost, network: str, ready: Callable[[LabHost], None]) -> dict[str, _Start]:
    """Of each way to go down and come up. `ready` brings the network."""
    at_boot = host.at_boot
    ready(host)
    for name in _NAMES:
        host.run(f"docker run -d --init --restart=always --net={network} --name {name} busybox sleep 1d")
    if ready is _served:
        host.run("weave install-service", timeout=120)
    found = {}
    for way, (down, is_for_all) in _WAYS.items():
        if is_for_all or ready in (_idle, _launched):
            with down(host):
                found[way] = _start(host, is_awaited=is_for_all)
                if not is_for_all:
                    found[way] = _bring_back(host, found[way])
            words = ready.__name__.strip("_")
            print(f"{host.engine.version} {words} {way}: {found[way]}", file=sys.stderr, flush=True)
    host.run(f"docker rm -f {' '.join(_NAMES)}", timeout=_ENGINE_S)
    if ready is _idle:
        host.run("docker network rm idle; docker rm -f idle", timeout=_ENGINE_S)
        host.run("rm -f /run/docker/plugins/*.sock; ip link delete weave")
        host.at_boot = at_boot
    return found


def _start(host: LabHost, *, is_awaited: bool) -> _Start:
    begun = time.monotonic()
    try:
        if host.is_on:
            host.start_engine()
        else:
            host.boot()
    except EngineSilent:
        # The lab's patience is shorter than what a plugin that is not there costs.
        host.run(
            f"timeout {_ENGINE_S:.0f} sh -c 'until docker version; do sleep 0.2; done'", timeout=_ENGINE_S + 5
        )
    engine_s = time.monotonic() - begun
    while is_awaited and time.monotonic() - begun < engine_s + _PATIENCE_S:
        if set(_NAMES) <= set(host.run("docker ps --format '{{.Names}}'", timeout=_ENGINE_S).split()):
            return _Start(engine_s=engine_s, containers_s=time.monotonic() - begun)
        time.sleep(0.2)
    return _Start(engine_s=engine_s, containers_s=None)


def _bring_back(host: LabHost, started: _Start) -> _Start:
    """The plugin comes back by hand; the time of the containers counts from then."""
    begun = time.monotonic()
    host.run("docker start $(docker ps -aq -f name='^weave' -f name=idle)", timeout=_ENGINE_S)
    while time.monotonic() - begun < _PATIENCE_S:
        if set(_NAMES) <= set(host.run("docker ps --format '{{.Names}}'", timeout=_ENGINE_S).split()):
            return _Start(engine_s=started.engine_s, containers_s=time.monotonic() - begun)
        time.sleep(0.2)
    return started


def _nothing(host: LabHost) -> None:
    host.run("weave setup", timeout=120)


def _launched(host: LabHost) -> None:
    host.run("weave launch", timeout=120)


def _served(host: LabHost) -> None:
    _launched(host)


def _idle(host: LabHost) -> None:
    def bring_bridge(on: LabHost) -> None:
        on.run("ip link add weave type bridge && ip link set weave up")

    def boot(on: LabHost) -> None:
        if boot_before is not None:
            boot_before(on)
        bring_bridge(on)

    boot_before = host.at_boot
    bring_bridge(host)
    host.at_boot = boot
    host.run(
        "docker run -d --restart=always --name idle --net=host --cap-drop=ALL --cap-add=NET_ADMIN"
        f" -v /run/docker/plugins:/run/docker/plugins -v {REPOSITORY}:{REPOSITORY}:ro -w {REPOSITORY}"
        f" {image_name()} python -m tests.bench.idle_plugin {_DRIVER} 10.99.0.0/16 60 leaving"
    )
    host.run(f"timeout 30 sh -c 'until [ -S /run/docker/plugins/{_DRIVER}.sock ]; do sleep 0.1; done'")
    host.run(f"docker network create -d {_DRIVER} --ipam-driver {_DRIVER} --subnet 10.99.0.0/16 idle")


@contextmanager
def _stopped(host: LabHost) -> Iterator[None]:
    host.stop_engine()
    yield


@contextmanager
def _killed(host: LabHost) -> Iterator[None]:
    host.kill_engine()
    yield


@contextmanager
def _without_power(host: LabHost) -> Iterator[None]:
    host.power_off()
    yield


@contextmanager
def _without_plugin(host: LabHost) -> Iterator[None]:
    """The plugin does not come back by itself."""
    ours = "$(docker ps -aq -f name='^weave' -f name=idle)"
    host.run(f"docker update --restart=no {ours}")
    host.power_off()
    yield
    host.run(f"docker update --restart=always {ours}")


@contextmanager
def _with_dead_socket(host: LabHost) -> Iterator[None]:
    """The plugin was killed, and left its socket; then the engine was. The plugin does not come back."""
    plugin = "$(docker ps -q -f name='^weaveplugin' -f name=idle)"
    host.run(f"docker update --restart=no {plugin}; docker kill {plugin}", timeout=_ENGINE_S)
    host.kill_engine()
    yield
    host.run("docker update --restart=always $(docker ps -aq -f name='^weave' -f name=idle)")


#: How it goes down, and whether that is a way without plugin containers as well.
_WAYS: Final = {
    "TERM": (_stopped, True),
    "KILL": (_killed, True),
    "power-off": (_without_power, True),
    "power-off, plugin absent": (_without_plugin, False),
    "KILL, plugin dead with socket": (_with_dead_socket, False),
}


if __name__ == "__main__":
    words = sys.argv[1:]
    versions = tuple(word for word in words if not word.startswith("-")) or engines.VERSIONS
    run_alone(functools.partial(take, versions, has_before="--without-before" not in words))
