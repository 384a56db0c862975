"""Compose files on the network: the very one that README.md shows, also under an engine with live-restore."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from tests.lab.asking import address, launch_joined
from tests.lab.checks import pings, resolves, until
from tests.lab.hosts import LabHost
from tests.lab.leftovers import owned

README = Path(__file__).parents[2] / "README.md"
LIVE = "mkdir -p /etc/docker && cat >/etc/docker/daemon.json && kill -HUP $(cat /run/docker.pid)"


def read_example() -> str:
    """The compose file below the heading."""
    section = README.read_text().partition("### Compose files\n")[2].partition("\n### ")[0]
    return textwrap.dedent("\n".join(line for line in section.splitlines() if line.startswith("    ")))


def test_the_compose_file_of_the_readme(two_hosts: tuple[LabHost, LabHost]) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    one.run("mkdir -p /tmp/site && cat >/tmp/site/docker-compose.yml", stdin=read_example())
    one.run("cd /tmp/site && docker-compose up -d")
    place = one.run("docker exec site_web_1 ip -o -4 address show ethwe0").split()[3].split("/")[0]
    one.run("docker run -d --init --name near --net=weave $(weave dns-args) busybox sleep 1d")
    two.run("docker run -d --init --name far --net=weave $(weave dns-args) busybox sleep 1d")
    finds(one, "near", place)
    finds(two, "far", place)
    until(lambda: resolves(one, "site_web_1", "far.weave.local"), 30, "the service asks weaveDNS")

    # With live-restore the engine may come and go; it makes another socket than the one that it had.
    one.run("weave launch-proxy")
    try:
        one.run(LIVE, stdin=json.dumps({"live-restore": True}))
        until(lambda: "true" in one.run("docker info -f '{{.LiveRestoreEnabled}}'"), 30, "live-restore is on")
        before = one.run("docker inspect -f '{{.State.Pid}}' site_web_1 near weave weaveplugin")
        one.restart_engine()
        assert one.run("docker inspect -f '{{.State.Pid}}' site_web_1 near weave weaveplugin") == before
    finally:
        one.run(LIVE, stdin="{}")
    assert address(one, "site_web_1") == place and one.run("weave dns-lookup web") == place
    pings(two, "far", "web.weave.local")
    one.run("docker run -d --init --name late --net=weave busybox sleep 1d")
    pings(one, "late", place)
    found = address(one, "late")
    until(lambda: one.sh("weave dns-lookup late").stdout.strip() == found, 60, "the plugin hears of a start")
    one.run("docker rm -f late")
    until(lambda: not one.sh("weave dns-lookup late").stdout.strip(), 60, "the plugin hears of an end")
    until(lambda: found not in owned(one), 60, "its address is free")
    one.run("eval $(weave env) && docker run -d --init --name attached busybox sleep 1d")
    pings(one, "attached", place)
    one.run("cd /tmp/site && docker-compose down")
    assert one.run("docker network ls -q --filter name=^weave$")


def finds(host: LabHost, name: str, place: str) -> None:
    """That container reaches the service by its name, and gets a page of it."""
    until(lambda: resolves(host, name, "web.weave.local") == place, 30, "weaveDNS knows the service")
    pings(host, name, "web.weave.local")
    page = host.run(f"docker exec {name} wget -q -O - http://web.weave.local:8000/hostname")
    assert page == "web.weave.local"
