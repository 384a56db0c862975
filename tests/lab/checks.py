"""Waiting for what comes true by and by, and the questions the lab's tests ask most."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from tests.lab.hosts import LabHost
from tests.lab.shell import CommandFailed, Result

T = TypeVar("T")


def until(condition: Callable[[], T], timeout: float, what: str, *, every: float = 0.2) -> T:
    """The first true value of the condition; fails with `what` and the last value after `timeout` seconds.

    An AssertionError inside the condition counts as not yet, and so does a command that fails.
    """
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (AssertionError, CommandFailed) as problem:
            last = problem
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}; last seen: {last}")
        time.sleep(every)


def is_refused(result: Result, says: str, status: int = 1) -> None:
    """Nothing on stdout, the reason on stderr, the exit status, and nobody speaks of a defect."""
    assert (result.status, result.stdout) == (status, ""), result
    assert says in result.stderr, result
    assert "defect" not in result.stderr and "Traceback" not in result.stderr, result


def ping(host: LabHost, container: str, target: str, *, timeout: float = 2) -> bool:
    """Whether one ping from the container to the target is answered within `timeout` seconds."""
    return (
        host.sh(f"docker exec {container} ping -c1 -W{timeout:g} -q {target}", timeout=timeout + 20).status
        == 0
    )


def pings(host: LabHost, container: str, target: str, *, timeout: float = 20) -> None:
    """Fail unless a ping from the container to the target is answered before `timeout` seconds are over."""
    until(
        lambda: ping(host, container, target),
        timeout,
        f"{container} on {host.name} reaches {target}",
    )


def resolves(host: LabHost, container: str, name: str) -> str | None:
    """The IPv4 address that a program in the container gets for the name from its resolver, or None."""
    said = host.sh(f"docker exec {container} ping -c1 -W1 -q {name}").stdout
    found = re.match(r"PING \S+ \(([\d.]+)\)", said)
    return found[1] if found else None
