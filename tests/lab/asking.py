"""What a weave that runs on a host says of itself, and words that tests type on several hosts at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

from tests.lab.checks import until
from tests.lab.hosts import LabHost
from weave_cli.reports import DnsEntry, LocalConnection, Report

T = TypeVar("T")


def at_once(*jobs: Callable[[], T]) -> list[T]:
    """Do all of them at the same time; their answers in the same order. The first failure is raised."""
    with ThreadPoolExecutor(len(jobs)) as workers:
        return [one.result() for one in [workers.submit(job) for job in jobs]]


def report(host: LabHost) -> Report:
    """`weave report`."""
    return cast(Report, json.loads(host.run("weave report")))


def connections(host: LabHost) -> list[LocalConnection]:
    """What `weave status connections` is made of."""
    return report(host)["Router"]["Connections"]


def established(host: LabHost) -> int:
    """How many of the host's connections are up."""
    return sum(one["State"] == "established" for one in connections(host))


def meets(host: LabHost, count: int, *, timeout: float = 20) -> None:
    """Fail unless the host has `count` established connections before `timeout` seconds are over."""
    until(lambda: established(host) == count, timeout, f"{host.name} has {count} established connections")


def names(host: LabHost) -> list[DnsEntry]:
    """The living records of weaveDNS."""
    report_of_host = report(host)
    assert "DNS" in report_of_host
    return [entry for entry in report_of_host["DNS"]["Entries"] or () if not entry["Tombstone"]]


def launch_joined(hosts: Iterable[LabHost], words: str = "") -> None:
    """Launch on all hosts, each given only the first, and wait until all are connected to all."""
    first, *others = hosts
    first.run(f"weave launch {words}", timeout=120)
    if others:
        at_once(*(lambda host=host: host.run(f"weave launch {words} $HOST1", timeout=120) for host in others))
    for host in (first, *others):
        meets(host, len(others))


def networks(host: LabHost) -> set[str]:
    """The names of Docker's networks of driver `weave`."""
    return set(host.run("docker network ls --filter driver=weave --format '{{.Name}}'").split())


def start(host: LabHost, name: str, words: str = "--net=weave") -> str:
    """Start a container that stays up; its address on the weave network, or the empty text."""
    host.run(f"docker run -tdi --name {name} {words} busybox")
    return address(host, name)


def address(host: LabHost, container: str) -> str:
    """The container's address on the weave bridge, as the container sees it; the empty text: none."""
    shown = host.run(f"docker exec {container} ip -o -4 address")
    return next(
        (
            words[3].split("/")[0]
            for words in map(str.split, shown.splitlines())
            if words[1].startswith("ethwe")
        ),
        "",
    )
