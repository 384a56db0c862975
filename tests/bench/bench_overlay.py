"""TCP and round trips between containers of two hosts, beside a VXLAN network made by hand on the same hosts.

    python -m tests.bench.bench_overlay [--runs 11] [--seconds 1]

The baseline is the least that the kernel asks for: a bridge, a VXLAN device with its one remote, veths into
two containers, and the firewall rule that lets a bridge forward to itself, with the same MTU. Its containers
are on a network of Docker's as well, so that Docker's resolver stands in both kinds: its NAT rules inside of
a container alone take 2 % of a stream. Runs are many and short and take turns, which evens out what else the
machine does.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.bench.docker_hosts import Hosts, launch, on_new_hosts
from tests.bench.measure import BenchProblem, Row, alternate, paired_ratio, run_alone, spread
from tests.lab.hosts import LabHost

_RUNS: Final = 11
_SECONDS: Final = 1
_TCP_TARGET: Final = 0.97
_ROUND_TRIP_TARGET: Final = 1.05
#: 200 pings in all, in small groups that take turns.
_PING_GROUPS: Final = 10
_PINGS: Final = 20
_PORT: Final = 5999
_HAND: Final = "byhand"


@dataclass(frozen=True, slots=True)
class Path:
    """One container on each host, by process id there, and the second one's address."""

    hosts: Hosts
    pids: tuple[str, str]
    target: str

    def gigabits(self, seconds: int) -> float:
        """What one TCP stream brings over, in Gbit/s at the receiver."""
        one, other = self.hosts
        other.run(f"nsenter -t {self.pids[1]} -n iperf3 -s -1 -D -p {_PORT}")
        _wait_for_listener(other, self.pids[1])
        said = one.run(f"nsenter -t {self.pids[0]} -n iperf3 -J -c {self.target} -p {_PORT} -t {seconds}")
        rate: float = json.loads(said)["end"]["sum_received"]["bits_per_second"]
        return rate / 1e9

    def round_trips(self) -> list[float]:
        """Milliseconds of a few pings."""
        enter = f"nsenter -t {self.pids[0]} -n"
        said = self.hosts[0].run(f"{enter} busybox ping -c {_PINGS} -i 0.01 {self.target}")
        return [float(found) for found in re.findall(r"time=([\d.]+) ms", said)]


def take(hosts: Hosts, runs: int = _RUNS, seconds: int = _SECONDS) -> list[Row]:
    """Throughput and round trip of both networks."""
    launch(hosts)
    try:
        ours, by_hand = path_in(hosts, "weave"), _path_by_hand(hosts)
        for host in hosts:
            _put_rules_in_front(host)
        for path in (ours, by_hand):
            path.gigabits(1)  # neighbours, forwarding entries and caches
        rates = alternate(
            runs, ours=partial(ours.gigabits, seconds), by_hand=partial(by_hand.gigabits, seconds)
        )
        trips = alternate_pings(ours, by_hand)
    finally:
        for host in hosts:
            _remove_by_hand(host)
    tcp = paired_ratio(rates["ours"], rates["by_hand"])
    trip = statistics.median(trips[0]) / statistics.median(trips[1])
    return [
        Row(
            measure="TCP, container to container, two hosts",
            value=spread(rates["ours"], "Gbit/s", 2),
            baseline=f"VXLAN by hand {spread(rates['by_hand'], 'Gbit/s', 2)}",
            compared=f"{tcp:.3f} of it",
            target=f">= {_TCP_TARGET}",
            is_met=tcp >= _TCP_TARGET,
        ),
        Row(
            measure=f"round trip, {len(trips[0])} pings",
            value=_quartiles(trips[0]),
            baseline=f"VXLAN by hand {_quartiles(trips[1])}",
            compared=f"{trip:.3f} of it",
            target=f"<= {_ROUND_TRIP_TARGET}",
            is_met=trip <= _ROUND_TRIP_TARGET,
        ),
    ]


def alternate_pings(one: Path, other: Path) -> tuple[list[float], list[float]]:
    """Round trips of both in milliseconds, the groups in turns; raises BenchProblem without an answer."""
    trips: tuple[list[float], list[float]] = ([], [])
    for _ in range(_PING_GROUPS):
        trips[0].extend(one.round_trips())
        trips[1].extend(other.round_trips())
    if not trips[0] or not trips[1]:
        raise BenchProblem("no ping was answered")
    return trips


def _quartiles(milliseconds: list[float]) -> str:
    """Single pings have outliers: the middle half says more than the extremes."""
    low, middle, high = statistics.quantiles(milliseconds, n=4)
    return f"{middle:.3f} (half: {low:.3f}-{high:.3f}) ms"


def path_in(hosts: Hosts, network: str) -> Path:
    """New containers in a network of Docker's."""
    pids = [_start_container(host, f"bench-{network}", network) for host in hosts]
    form = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
    address = hosts[1].run(f"docker inspect --format '{form}' bench-{network}")
    return Path(hosts, (pids[0], pids[1]), address)


def _path_by_hand(hosts: Hosts) -> Path:
    one, other = hosts
    pids = [_connect_by_hand(one, other), _connect_by_hand(other, one)]
    return Path(hosts, (pids[0], pids[1]), _address_by_hand(other))


def _start_container(host: LabHost, name: str, network: str) -> str:
    """A container that sleeps; its process id on the host."""
    host.run(f"docker run -d --init --name {name} --net={network} busybox sleep 1d")
    return host.run(f"docker inspect --format '{{{{.State.Pid}}}}' {name}")


def _connect_by_hand(host: LabHost, other: LabHost) -> str:
    host.run(f"docker network create --internal {_HAND}")
    pid = _start_container(host, "bench-hand", _HAND)
    mtu = host.run("cat /sys/class/net/weave/mtu")
    for command in (
        f"ip link add {_HAND} type bridge",
        f"ip link add {_HAND}-vxlan type vxlan id 4242 dstport 4790 remote {other.ip}",
        f"ip link add {_HAND}-port type veth peer name {_HAND}-end",
        *(
            f"ip link set {device} mtu {mtu}"
            for device in (f"{_HAND}-vxlan", f"{_HAND}-port", f"{_HAND}-end")
        ),
        *(f"ip link set {_HAND}-{part} master {_HAND} up" for part in ("vxlan", "port")),
        f"ip link set {_HAND} mtu {mtu} up",
        f"ip link set {_HAND}-end netns {pid} name {_HAND}0",
        f"nsenter -t {pid} -n ip address add {_address_by_hand(host)}/24 dev {_HAND}0",
        f"nsenter -t {pid} -n ip link set {_HAND}0 up",
    ):
        host.run(command)
    return pid


def _put_rules_in_front(host: LabHost) -> None:
    """Both kinds of frame are let through before any rule of Docker's, the baseline's first.

    Docker has put rules of its networks in front of ours; the router looks after that every 20 s.
    """
    deadline = time.monotonic() + 60
    while not host.run("iptables -S FORWARD 1").endswith("-j WEAVE-FORWARD"):
        if time.monotonic() > deadline:
            raise BenchProblem(f"the router does not put its rules first on {host.name}")
        time.sleep(0.5)
    host.run(f"iptables -I FORWARD -i {_HAND} -o {_HAND} -j ACCEPT")


def _remove_by_hand(host: LabHost) -> None:
    """What of it is there; the veth goes with its container."""
    host.sh(f"iptables -D FORWARD -i {_HAND} -o {_HAND} -j ACCEPT")
    for device in (f"{_HAND}-vxlan", _HAND):
        host.sh(f"ip link delete {device}")


def _address_by_hand(host: LabHost) -> str:
    return f"10.99.0.{host.number}"


def _wait_for_listener(host: LabHost, pid: str) -> None:
    deadline = time.monotonic() + 10
    while not host.run(f"nsenter -t {pid} -n ss -Hltn sport = :{_PORT}"):
        if time.monotonic() > deadline:
            raise BenchProblem(f"iperf3 does not listen on {host.name}")
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=_RUNS)
    parser.add_argument("--seconds", type=int, default=_SECONDS, help="length of each iperf3 run")
    arguments = parser.parse_args()
    run_alone(partial(on_new_hosts, partial(take, runs=arguments.runs, seconds=arguments.seconds)))


if __name__ == "__main__":
    main()
