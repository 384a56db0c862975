"""Whatever an image holds and however a container is started: its program begins with its network."""

from __future__ import annotations

import shlex
from typing import Final

import pytest

from tests.lab.asking import address
from tests.lab.checks import until
from tests.lab.hosts import LabHost

_DOOR: Final = "docker -H unix:///var/run/weave/weave.sock"

#: Name and recipe. The first three hold nothing but one static program, not even a shell.
_IMAGES: Final = {
    "scratch": r'FROM scratch\nCOPY busybox /busybox\nENTRYPOINT ["/busybox"]\nCMD ["hostname", "-i"]',
    "user": r'FROM scratch\nCOPY busybox /busybox\nUSER 1234:99\nENTRYPOINT ["/busybox"]\nCMD ["id"]',
    "shell": r"FROM scratch\nCOPY busybox /busybox\nCMD busybox id",
    "both": r'FROM busybox\nENTRYPOINT ["sh", "-c", "echo $0 $*"]\nCMD ["a", "b"]',
    "form": r"FROM busybox\nENTRYPOINT echo $0 $*\nCMD a b",
    "place": r'FROM busybox\nWORKDIR /here\nENV PATH=/nowhere:/bin\nCMD ["pwd"]',
    "health": r"FROM busybox\nHEALTHCHECK --interval=1s CMD ip addr show ethwe | grep inet\nCMD sleep 1d",
}

#: Words of `docker run`, its exit status, and what it prints; an empty text: an address of the network.
_RUNS: Final = (
    ("scratch", 0, ""),
    ("scratch echo x 'y z'", 0, "x y z"),
    ("user", 0, "uid=1234 gid=99 groups=99"),
    ("--read-only --tmpfs /tmp user touch /x", 1, "touch: /x: Read-only file system"),
    ("shell", 127, 'exec: "/bin/sh": no such file or directory'),
    ("both", 0, "a b"),
    ("both x 'y z'", 0, "x y z"),
    ("form", 0, "/bin/sh -c a b"),
    ("--entrypoint '' both echo only", 0, "only"),
    ("place", 0, "/here"),
    ("-e PATH=/nowhere place", 127, 'exec: "pwd": executable file not found in $PATH'),
    ("--init busybox hostname -i", 0, ""),
    ("--pid=host --userns=host busybox hostname -i", 0, ""),
    ("--ipc=host --uts=host busybox sh -c 'hostname; ip -4 -o addr show ethwe >/dev/null'", 0, "host1"),
    ("--security-opt no-new-privileges --cap-drop ALL -u 65534 --pids-limit 1 busybox hostname -i", 0, ""),
    (
        "--tmpfs /w --mount type=bind,source=/etc,target=/w/e,readonly busybox ls /w/e/hostname",
        0,
        "/w/e/hostname",
    ),
)

_SIGNALLED: Final = (
    "trap 'echo ended; exit 9' TERM; trap 'echo hung up' HUP; echo $$; while :; do sleep 0.05; done"
)


@pytest.fixture
def through(host: LabHost) -> LabHost:
    """A host with router and proxy."""
    host.run("weave launch-router --ipalloc-range=10.32.0.0/16", timeout=120)
    host.run("weave launch-proxy", timeout=120)
    return host


def test_610_620_a_program_is_what_it_would_be_without_the_proxy(through: LabHost) -> None:
    host = through
    host.run("mkdir -p /tmp/images && cp /bin/busybox /tmp/images")
    for name, recipe in _IMAGES.items():
        build = "DOCKER_BUILDKIT=0 docker build -q -f - /tmp/images -t"
        host.run(rf"printf '{recipe}\n' | {build} {name}", timeout=120)
    for words, status, says in _RUNS:
        seen = host.sh(f"{_DOOR} run --rm {words} 2>&1")
        assert seen.status == status, (words, seen)
        assert seen.stdout.startswith(says or "10.32."), (words, seen)

    host.run(f"{_DOOR} run -d --name signalled busybox sh -c {shlex.quote(_SIGNALLED)}")
    until(lambda: host.run("docker logs signalled") == "1", 30, "it is process 1")
    host.run(f"{_DOOR} kill -s HUP signalled")
    until(lambda: "hung up" in host.run("docker logs signalled"), 30, "it hears signals")
    host.run(f"{_DOOR} stop signalled")
    assert host.run("docker logs signalled") == "1\nhung up\nended"
    assert host.run("docker inspect -f '{{.State.ExitCode}}' signalled") == "9"

    host.run(f"{_DOOR} run -d --name healthy health")
    until(
        lambda: host.run("docker inspect -f '{{.State.Health.Status}}' healthy") == "healthy",
        60,
        "its health check finds the network",
    )
    assert host.run(f"{_DOOR} top healthy -eo pid,args").split()[-2:] == ["sleep", "1d"]
    host.run(f"{_DOOR} run -d --name failing --restart=on-failure:2 busybox sh -c 'hostname -i; exit 4'")
    until(lambda: host.run("docker logs failing").count("10.32.") == 3, 60, "each life has its network")
    assert host.run("docker logs failing").count("\n") == 2
    host.run(f"docker rm -f signalled healthy failing; docker rmi -f {' '.join(_IMAGES)}")


def test_640_containers_are_attached_again_when_docker_starts_again(through: LabHost) -> None:
    host = through
    shown = "ip -4 -o addr show ethwe; exec sleep 1d"
    for name, words in (("always", "--restart=always"), ("later", "--restart=no")):
        host.run(f"{_DOOR} run -d --init --name {name} {words} busybox sh -c '{shown}'")
    before = address(host, "always")

    host.restart_engine()

    until(lambda: address(host, "always") == before, 60, "attached as before")
    assert host.run("docker logs always").count("inet 10.32.") == 2, "no life without its network"
    until(lambda: host.run("weave dns-lookup always") == before, 60, "its name is back")
    until(lambda: host.sh(f"{_DOOR} start later").status == 0, 60, "the proxy is back")
    assert address(host, "later").startswith("10.32.")

    host.kill_engine()
    host.start_engine()
    until(lambda: address(host, "always") == before, 60, "after a crash, too")
    until(lambda: host.sh(f"{_DOOR} restart -t 0 later").status == 0, 60, "the proxy is back")
    assert host.run("docker logs always").count("inet 10.32.") == 3
