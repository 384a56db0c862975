"""Containers come and go on two hosts while plugin, router and engine are killed: in the end nothing is left.

A short form; WEAVE_LAB_ENDURANCE=500 has so many containers, and a kill for each twenty. WEAVE_LAB_SEED
chooses another course of things.
"""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from tests.lab.asking import address, at_once, launch_joined
from tests.lab.checks import until
from tests.lab.hosts import LabHost
from tests.lab.leftovers import leaks, owned, state_of
from tests.lab.shell import CommandFailed

_CONTAINERS: Final = int(os.environ.get("WEAVE_LAB_ENDURANCE", "12"))
_KILLS: Final = max(3, _CONTAINERS // 20)
_SEED: Final = int(os.environ.get("WEAVE_LAB_SEED", "1"))
#: Containers at a time on a host.
_AT_A_TIME: Final = 3
#: Seconds between two looks of the plugin for what is left.
_LOOK_S: Final = 3
_VICTIMS: Final = ("weaveplugin", "weave", "engine")


def come_and_go(host: LabHost, name: str) -> bool:
    """Run a container and remove it; False when Docker would not run it, which is no wonder here."""
    try:
        ran = host.sh(f"docker run -d --init --name {name} --net weave busybox sleep 1d", timeout=90)
    except CommandFailed:
        return False
    finally:
        until(lambda: _is_removed(host, name), 180, f"{name} can be removed from {host.name}", every=0.5)
    return ran.status == 0


def _is_removed(host: LabHost, name: str) -> bool:
    try:
        host.sh(f"docker rm -f {name}", timeout=60)
        return host.run("docker ps -aq --filter name=^" + name + "$", timeout=30) == ""
    except CommandFailed:
        return False


def kill(host: LabHost, victim: str) -> None:
    """As a crash would; then wait until all of it is back."""
    if victim == "engine":
        host.kill_engine()
        host.start_engine()
    else:
        host.sh(f"kill -KILL $(docker inspect -f '{{{{.State.Pid}}}}' {victim})")
    _becomes_whole(host, f"{victim} was killed")


def _becomes_whole(host: LabHost, after: str) -> None:
    until(lambda: _is_whole(host), 120, f"{host.name} is whole after {after}", every=0.5)


def _is_whole(host: LabHost) -> bool:
    said = host.sh("timeout 20 weave status", timeout=30)
    return said.status == 0 and "Service: plugin" in said.stdout


def _becomes_as_before(host: LabHost, rest: dict[str, Any]) -> None:
    until(lambda: state_of(host) == rest, 120, f"{host.name} is as before: {rest}", every=1)


@pytest.mark.timeout(3600)
def test_nothing_is_left_of_containers_that_came_and_went_under_fire(
    two_hosts: tuple[LabHost, LabHost],
) -> None:
    chance = random.Random(_SEED)
    for host in two_hosts:
        host.run("weave setup", timeout=120)
    launch_joined(two_hosts)
    for host in two_hosts:
        host.run("weave stop-plugin", timeout=60)
        host.run(
            f"WEAVEPLUGIN_DOCKER_ARGS='-e WEAVE_PLUGIN_LOOK_S={_LOOK_S}' weave launch-plugin", timeout=120
        )
        _becomes_whole(host, "launched")
        assert come_and_go(host, "first")  # Docker makes the bridge for the outside for it, and keeps it
    at_rest = [state_of(host) for host in two_hosts]
    victims = [(host, victim) for host in two_hosts for victim in _VICTIMS]
    kills = [chance.choice(victims) for _ in range(_KILLS - len(_VICTIMS))]
    kills += [(chance.choice(two_hosts), victim) for victim in _VICTIMS]
    chance.shuffle(kills)
    is_over = threading.Event()

    def fire() -> int:
        for host, victim in kills:
            is_over.wait(chance.uniform(1, 4))
            kill(host, victim)
        return len(kills)

    with ThreadPoolExecutor(2 * _AT_A_TIME + 1) as workers:
        fired = workers.submit(fire)
        ran = [
            workers.submit(come_and_go, two_hosts[number % 2], f"c{number}") for number in range(_CONTAINERS)
        ]
        succeeded = sum(one.result() for one in ran)
        is_over.set()
        assert fired.result() == _KILLS
    assert succeeded, "containers run all the same"
    for host, rest in zip(two_hosts, at_rest, strict=True):
        _becomes_as_before(host, rest)

    # No address is given out twice, to those that come now.
    names = [f"n{number}" for number in range(4)]
    at_once(
        *(
            lambda host=host, name=name: host.run(
                f"docker run -d --init --name {name} --net weave busybox sleep 1d"
            )
            for host in two_hosts
            for name in names
        )
    )
    found = [address(host, name) for host in two_hosts for name in names]
    assert len(set(found)) == len(found) and all(found)
    assert [len(owned(host)) for host in two_hosts] == [4, 4]
    assert all(sum(leaks(host)["suspected"].values()) == 0 for host in two_hosts)
