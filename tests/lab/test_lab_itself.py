"""The lab is what it says: real hosts, apart from each other, that can fail in the ways tests ask for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import engines
from tests.lab.checks import until
from tests.lab.hosts import Lab, LabHost
from tests.lab.matrix import every_engine
from tests.lab.shell import CommandFailed

Two = tuple[LabHost, LabHost]


def reaches(source: LabHost, target: LabHost) -> bool:
    return source.sh(f"busybox ping -c1 -W1 -q {target.ip}").status == 0


@every_engine
def test_a_container_runs_on_every_engine(host: LabHost, engine: str) -> None:
    assert host.run("docker version --format '{{.Server.Version}}'").startswith(engine + ".")
    assert host.run("docker version --format '{{.Client.Version}}'").startswith(engine + ".")
    assert host.run("docker run --rm busybox echo here") == "here"


def test_hosts_are_no_twins(two_hosts: Two) -> None:
    for question in (
        "cat /etc/machine-id",
        "cat /proc/sys/kernel/random/boot_id",
        "hostname",
        "docker info --format '{{.ID}}'",
    ):
        assert two_hosts[0].run(question) != two_hosts[1].run(question)


def test_a_host_forwards_nothing_by_default_like_a_fresh_one(host: LabHost) -> None:
    assert host.run("iptables -S FORWARD").splitlines()[0] == "-P FORWARD DROP"


def test_the_shell_is_an_operators(two_hosts: Two) -> None:
    result = two_hosts[0].sh("echo out; echo err >&2; exit 3")
    assert (result.stdout, result.stderr, result.status) == ("out\n", "err\n", 3)
    assert two_hosts[0].run("echo $HOST2") == two_hosts[1].ip
    assert two_hosts[0].run("command -v weave")


def test_a_command_that_hangs_is_ended_with_what_it_started(host: LabHost) -> None:
    with pytest.raises(CommandFailed, match="before"):
        host.sh("echo before; sleep 4321 & sleep 4321", timeout=1)
    assert host.sh("pgrep -f 'sleep 4321' -x").stdout == ""


def test_a_cut_host_is_alone_until_healed(lab: Lab, two_hosts: Two) -> None:
    one, other = two_hosts
    assert reaches(one, other)
    lab.cut(other)
    assert not reaches(one, other)
    lab.heal(other)
    until(lambda: reaches(one, other), 10, "the healed host answers")


def test_a_partition_parts_groups_only(lab: Lab, three_hosts: tuple[LabHost, LabHost, LabHost]) -> None:
    one, two, three = three_hosts
    lab.partition([one, two], [three])
    assert reaches(one, two)
    assert not reaches(one, three)
    assert not reaches(three, two)
    lab.unblock()
    assert reaches(one, three)


def test_one_udp_port_can_be_blocked(lab: Lab, two_hosts: Two) -> None:
    one, other = two_hosts
    receive = (
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', {0}))"
        "; print('bound', flush=True); print(s.recv(99).decode(), flush=True)"
    )
    for port in (5000, 5001):
        other.run(f'timeout 20 python3 -c "{receive.format(port)}" >/tmp/{port} &')
    until(lambda: other.run("cat /tmp/5000 /tmp/5001") == "bound\nbound", 10, "both ports are bound")
    lab.block_udp(5000, other)
    for port in (5000, 5001):
        one.run(f"echo sent >/dev/udp/{other.ip}/{port}")
    until(lambda: other.run("cat /tmp/5001") == "bound\nsent", 10, "the open port gets its packet")
    assert other.run("cat /tmp/5000") == "bound"


def test_a_power_cut_ends_everything_and_keeps_the_disk(host: LabHost) -> None:
    identity = host.run("cat /etc/machine-id")
    host.run("docker run -d --init --name kept --restart=always busybox sleep 1d")
    host.run("docker volume create disk; touch /etc/kept /run/lost /tmp/lost")
    host.power_off()
    host.boot()
    until(lambda: host.sh("docker exec kept true").status == 0, 30, "the container is up again")
    assert host.run("cat /etc/machine-id") == identity
    assert host.run("docker volume ls -q") == "disk"
    assert host.run("ls /etc/kept") == "/etc/kept"
    assert host.run("ls /run/lost /tmp/lost 2>/dev/null || true") == ""


def test_a_rebooted_host_has_the_network_card_that_the_others_know(two_hosts: Two) -> None:
    one, other = two_hosts
    assert reaches(one, other)
    known = one.run(f"ip neighbour show to {other.ip} | grep -o 'lladdr .*' | cut -d' ' -f2")
    other.power_off()
    assert not reaches(one, other)
    other.boot()
    assert known == other.run("cat /sys/class/net/eth0/address")
    assert reaches(one, other)


def test_a_killed_engine_leaves_its_containers(host: LabHost) -> None:
    container = host.run("docker run -d --init --name kept busybox sleep 1d")
    host.kill_engine()
    assert host.sh("docker version", timeout=20).status != 0
    assert host.run("pgrep -f 'sleep 1d' | head -1")
    host.start_engine()
    assert host.run("docker ps -aq --no-trunc") == container


def test_two_labs_do_not_collide(lab: Lab, host: LabHost) -> None:
    with Lab(engines.prepare(engines.DEFAULT)) as second:
        other = second.host(1)
        assert other.ip != host.ip
        assert other.run("docker run --rm busybox hostname -i")
        namespace = second.switch.namespace
        assert Path(f"/run/netns/{namespace}").exists()
    assert not Path(f"/run/netns/{namespace}").exists()
    assert host.run("docker run --rm busybox echo here") == "here"


_DOOMED = """
import sys, time
from tests.lab import engines
from tests.lab.hosts import Lab

lab = Lab(engines.prepare(engines.DEFAULT))
lab.host(1).run("docker run -d busybox sleep 1d")
print(lab.switch.namespace, lab.host(1).run("cat /etc/machine-id"), flush=True)
time.sleep(60)
"""


def test_a_lab_that_is_killed_leaves_nothing_for_long() -> None:
    doomed = subprocess.Popen([sys.executable, "-c", _DOOMED], stdout=subprocess.PIPE, text=True)
    with doomed:
        assert doomed.stdout is not None
        namespace, machine = doomed.stdout.readline().split()
        doomed.kill()
    prefix = namespace.removesuffix("-net")
    until(lambda: not _processes_in(prefix), 10, "its processes are gone")
    with Lab(engines.prepare(engines.DEFAULT)) as following:
        left = [
            path for path in Path("/run/netns").glob(f"{prefix}-*") if following.switch.namespace != path.name
        ]
        assert left == []
        assert following.host(1).run("cat /etc/machine-id") != machine


def _processes_in(prefix: str) -> list[str]:
    """Processes in a control group of this lab."""
    groups = [path for path in Path("/proc").glob("[0-9]*/cgroup") if f"/{prefix}-host" in _text(path)]
    return [path.parent.name for path in groups]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""
