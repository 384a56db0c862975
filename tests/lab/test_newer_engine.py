"""Newer engines: beneath a weave that runs on, and as Docker 29 is, as far as an older one can be like it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.lab import busybox, engines
from tests.lab.asking import address, start
from tests.lab.checks import pings, until
from tests.lab.hosts import LabHost

_DOOR: Final = "docker -H unix:///var/run/weave/weave.sock"
_NAMED: Final = "-h {0}.weave.local $(weave dns-args)"
#: Docker 29 speaks no version of the API before that.
_LOWEST_API: Final = "1.44"
_REFUSAL: Final = f"Minimum supported API version is {_LOWEST_API}"
_PIDS: Final = "docker inspect -f '{{.State.Pid}}' weave weaveplugin weaveproxy one two"


@pytest.fixture
def disposable(host: LabHost) -> Iterator[LabHost]:
    """Its disk is for no other test."""
    engine = host.engine
    yield host
    host.change_engine(engine)
    host.replace()


def _refuses_old_versions(host: LabHost) -> bool:
    return _REFUSAL in host.run("curl -s --unix-socket /run/docker.sock http://docker/v1.43/info")


def _named(name: str) -> str:
    return f"-d --init --name {name} {_NAMED.format(name)}"


@pytest.mark.parametrize("engine", ["20.10"], indirect=True)
def test_plugin_and_proxy_outlive_an_upgrade_of_the_engine(disposable: LabHost) -> None:
    host = disposable
    host.stop_engine()
    host.start_engine("--live-restore")
    host.run("env -u WEAVE_NO_PROXY weave launch", timeout=120)
    host.run(f"docker run --net weave {_named('one')} busybox sleep 1d")
    host.run(f"{_DOOR} run {_named('two')} busybox sleep 1d")
    host.run("docker run -d --init --name gone --net weave busybox sleep 1d")
    pids = host.run(_PIDS)

    host.stop_engine()
    host.change_engine(engines.prepare("28.5"))
    host.start_engine("--live-restore", DOCKER_MIN_API_VERSION=_LOWEST_API)
    assert _refuses_old_versions(host) and host.run(_PIDS) == pids
    pings(host, "one", "two")
    host.run("docker rm -f gone")
    # Names are what plugin and proxy ask Docker for, with what they know of its version.
    host.run(f"docker run --net weave {_named('three')} busybox sleep 1d")
    host.run(f"{_DOOR} run {_named('four')} busybox sleep 1d")
    for container, target in (("three", "one"), ("four", "three"), ("one", "four"), ("two", "three")):
        pings(host, container, target, timeout=60)
    host.run("docker restart -t 0 one two")
    pings(host, "three", "one", timeout=60)
    pings(host, "one", "two", timeout=60)
    assert host.run("weave reset --force && ls /run/docker/plugins") == ""


# Debian has no Docker 29; 28.5 is the newest there is, and can be told to be like it.
@pytest.mark.parametrize("engine", ["28.5"], indirect=True)
def test_an_engine_as_docker_29_is_served(disposable: LabHost) -> None:
    host = disposable
    host.stop_engine()
    host.start_engine("--feature=containerd-snapshotter=true", DOCKER_MIN_API_VERSION=_LOWEST_API)
    assert _refuses_old_versions(host)
    assert host.run("docker info -f '{{.DriverStatus}}'") == "[[driver-type io.containerd.snapshotter.v1]]"
    host.run(f"docker import --change 'CMD [\"sh\"]' {busybox.image_tar()} busybox:latest")

    host.run("env -u WEAVE_NO_PROXY weave launch", timeout=120)
    one = start(host, "one", f"--net weave {_NAMED.format('one')}")
    host.run(f"docker run {_named('two')} busybox sleep 1d")
    two = host.run("weave attach two")
    host.run(f"{_DOOR} run {_named('three')} busybox sleep 1d")
    three = address(host, "three")
    assert len({one, two, three}) == 3 and all((one, two, three))
    for container, target in (("one", "two"), ("two", "one"), ("three", "one"), ("one", three)):
        pings(host, container, target)
    assert f" {two}/12" in host.run("weave ps two")

    host.run("docker network disconnect weave one && docker network connect weave one")
    host.run("docker restart -t 0 one three")
    pings(host, "one", "two")
    until(lambda: address(host, "three") == three, 30, "attached again")
    for word in ("weave detach two", "weave doctor"):
        host.run(word)
    host.run("weave stop && weave launch", timeout=120)
    assert host.run("docker images -q weave-cli | wc -l") == "1", "the image of the first launch was known"
    pings(host, "one", three)
    assert host.run("docker rm -f one two three >&2 && weave reset && docker volume ls -q") == ""
