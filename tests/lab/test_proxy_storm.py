"""The proxy dies again and again while many containers are run through it: none is left half-attached.

WEAVE_LAB_PROXY_RUNS=50 makes it as many at once as are promised.
"""

from __future__ import annotations

import os
import re
from typing import Final

from tests.lab.asking import names, report
from tests.lab.checks import until
from tests.lab.hosts import LabHost

_RUNS: Final = int(os.environ.get("WEAVE_LAB_PROXY_RUNS", "12"))
_DOOR: Final = "unix:///var/run/weave/weave.sock"
_SHOWN: Final = "ip -4 -o addr show ethwe"

#: Half of them go on, the others end by themselves. The proxy is killed as by the kernel, and Docker starts
#: it again: when the first runs are through, and twice more as soon as it is back.
_STORM: Final = """
cd /tmp; rm -rf storm; mkdir storm; cd storm
for i in $(seq {runs}); do
    if [ $((i % 2)) = 0 ]; then mode=-d; last='exec sleep 1d'; else mode=; last=true; fi
    (docker -H {door} run $mode --init --name r$i busybox sh -c "{shown}; $last" >out$i 2>err$i
     echo $? >status$i) &
done
for turn in 1 2 3; do
    until [ $(ls | grep -c status) -ge $(({runs} * turn / 6)) ]; do sleep 0.02; done
    kill -KILL $(docker inspect -f '{{{{.State.Pid}}}}' weaveproxy)
    until docker -H {door} version >/dev/null 2>&1; do sleep 0.05; done
done
wait
"""


#: What the docker command says when the line breaks, or when nobody listens.
_CLEAR: Final = re.compile(
    r"(connect|waiting).*(EOF|reset|refused)|annot connect to the Docker|failed to connect"
)


def test_a_proxy_that_dies_during_many_runs_leaves_none_half_attached(host: LabHost) -> None:
    host.run("weave launch-router --ipalloc-range=10.32.0.0/16", timeout=120)
    host.run("weave launch-proxy", timeout=120)

    host.run("bash -s", stdin=_STORM.format(runs=_RUNS, door=_DOOR, shown=_SHOWN), timeout=280)

    for number in range(1, _RUNS + 1):
        status, _, error = host.run(f"cd /tmp/storm; cat status{number} err{number}").partition("\n")
        assert status == "0" or (status == "125" and _CLEAR.search(error)), (number, status, error)
        shown = host.run(f"cat /tmp/storm/out{number}")
        assert number % 2 == 0 or status != "0" or "inet 10.32." in shown, (number, shown)
    until(lambda: _states(host, odd=True) <= {"exited", "created"}, 60, "what was to end has ended")
    until(lambda: _addresses(host) == _registered(host), 60, "who runs has its name, and nobody else")
    began = host.run("docker ps -aq --filter name=r --filter status=exited --filter status=running").split()
    for container in set(began) - set(host.run("docker ps -q --filter name=weave").split()):
        logged = host.run(f"docker logs {container}")
        assert logged.count("inet 10.32.") == 1, "no program begins without its network, or twice"

    host.run("docker container prune -f")
    running = _addresses(host)
    assert len(set(running.values())) == len(running)
    until(lambda: report(host)["IPAM"]["ActiveIPs"] == len(running), 60, "the dead have no addresses")
    again = host.run(f"docker -H {_DOOR} run --rm busybox {_SHOWN}")
    assert "inet 10.32." in again


def _states(host: LabHost, *, odd: bool) -> set[str]:
    rows = host.run("docker ps -a --filter name=r --format '{{.Names}} {{.State}}'").splitlines()
    found = [line.split() for line in rows]
    return {state for name, state in found if name[0] == "r" and int(name[1:]) % 2 == odd}


def _addresses(host: LabHost) -> dict[str, str]:
    """Of each that runs, by its name, as it is in its interface; fails where it has not just one."""
    found = {}
    for name in host.run("docker ps --format '{{.Names}}'").split():
        if name[0] == "r":
            shown = host.run(f"docker exec {name} {_SHOWN}")
            (found[name],) = re.findall(r"inet (\S+)/16", shown)
    return found


def _registered(host: LabHost) -> dict[str, str]:
    return {entry["Hostname"].split(".")[0]: entry["Address"] for entry in names(host)}
