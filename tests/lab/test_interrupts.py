"""Commands that are interrupted at any moment: what was begun is undone or finished, and told in one line.

WEAVE_LAB_INTERRUPTS multiplies the moments at which each command is interrupted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.lab.asking import report
from tests.lab.hosts import LabHost
from tests.lab.shell import Result

_TIMES: Final = int(os.environ.get("WEAVE_LAB_INTERRUPTS", "1"))

#: All that a command may change, but for what the router and the plugin keep in memory, and process ids.
_STATE: Final = r"""
docker ps -a --format '{{.Names}} {{.State}}' | sort
docker network ls --filter type=custom --format '{{.Name}} {{.Driver}}' | sort
docker volume ls -q
ip -o link | cut -d: -f2 | grep -oE '(weave|vethwe)[^@]*' | grep -v -e-vxlan -e-tap |
    sed 's/epl.*/epl/' | sort
ip -o -4 address show dev weave 2>/dev/null | grep -oE 'inet [^ ]+'
(iptables-nft-save; iptables-legacy-save) 2>/dev/null | grep -i weave | grep -v '^:' | sort
ls /run/docker/plugins 2>/dev/null | grep weave
docker exec web ip -o -4 address show dev ethwe 2>/dev/null | grep -oE 'inet [^ ]+'
weave dns-lookup web 2>/dev/null | sort
true
"""


def state(host: LabHost) -> str:
    seen = host.run(_STATE)
    if "weave running" in seen.splitlines():
        seen += f"\n{report(host)['IPAM']['ActiveIPs']} addresses in use"
    return seen


def interrupted(host: LabHost, command: str, after_s: float) -> Result:
    """Type the command and Ctrl-C, which reaches all processes of the command."""
    return host.sh(f"timeout --preserve-status --signal=INT {after_s:.3f} weave {command}", timeout=90)


def tells_one_line(result: Result) -> None:
    """Unless it was done before: what came of it, and nothing else."""
    if result.status == 0:
        assert "interrupted" not in result.stderr, result
        return
    if "KeyboardInterrupt" in result.stderr and ", in main" not in result.stderr:
        return  # Python was on its way to our first line, if only by the names of what it imports
    assert result.status == 130, result
    said = [line for line in result.stderr.splitlines() if line and not line.startswith(("Cut off", "WARN"))]
    # Without more it has not looked at anything yet.
    assert len(said) == 1 and said[0].startswith("interrupted") and "half-way" not in said[0], result


def moments(host: LabHost, command: str, back: str, count: int) -> Iterator[float]:
    """Seconds after the start of a command, spread over the time that it takes, its start-up included."""
    began = time.monotonic()
    host.run(f"weave {command}", timeout=120)
    lasted = time.monotonic() - began
    host.run(back, timeout=120)
    number = count * _TIMES
    return iter([lasted * (index + 0.5) / number for index in range(number)])


@pytest.fixture
def launched(host: LabHost) -> LabHost:
    """A host on which weave runs, with container `web`."""
    host.run("weave launch", timeout=120)
    host.run("docker run -tdi --name web -h web.weave.local busybox")
    return host


@pytest.mark.timeout(300 + 300 * _TIMES)
def test_attach_detach_expose_hide_and_run_do_all_or_nothing(launched: LabHost) -> None:
    host = launched
    for command, back, count in (
        ("attach 10.2.1.1/24 net:default --rewrite-hosts web", "weave detach 10.2.1.1/24 net:default web", 9),
        ("expose 10.2.1.9/24 net:default", "weave hide 10.2.1.9/24 net:default", 5),
        ("run 10.2.1.2/24 net:default --name job -ti busybox", "docker rm -f job >/dev/null", 6),
    ):
        _does_all_or_nothing(host, command, back, count)
    host.run("weave attach 10.2.1.1/24 net:default web && weave expose 10.2.1.9/24")
    _does_all_or_nothing(
        host, "detach 10.2.1.1/24 net:default web", "weave attach 10.2.1.1/24 net:default web >/dev/null", 4
    )
    _does_all_or_nothing(host, "hide 10.2.1.9/24", "weave expose 10.2.1.9/24 >/dev/null", 3)


@pytest.mark.timeout(300 + 300 * _TIMES)
def test_launch_stop_and_reset_do_all_or_nothing(host: LabHost) -> None:
    host.run("weave setup", timeout=120)
    _does_all_or_nothing(host, "launch", "weave reset --force", 4)
    host.run("weave launch", timeout=120)
    _does_all_or_nothing(host, "stop", "weave launch", 2)
    _does_all_or_nothing(host, "reset", "weave launch", 2)


def _does_all_or_nothing(host: LabHost, command: str, back: str, count: int) -> None:
    """back: takes back what the command does."""
    unchanged = state(host)
    host.run(f"weave {command}", timeout=120)
    changed = state(host)
    assert changed != unchanged
    host.run(back, timeout=120)
    for moment in moments(host, command, back, count):
        result = interrupted(host, command, moment)
        tells_one_line(result)
        found = state(host)
        words = f"after {moment:.2f} s of 'weave {command}': {result}"
        if result.status == 0 or "brought to its end" in result.stderr:
            assert found == changed, words
        else:
            assert found == unchanged, words
            host.run(f"weave {command}", timeout=120)
            assert state(host) == changed, f"run again {words}"
        host.run(back, timeout=120)
