"""Hosts that cannot reach each other for a while: both sides go on, and come together again."""

from __future__ import annotations

from tests.lab.checks import pings, until
from tests.lab.hosts import Lab, LabHost


def start(host: LabHost, name: str) -> str:
    """Start a container with a name in the domain; its address."""
    host.run(
        f"docker run --net=weave -h {name}.weave.local $(weave dns-args) -d --init --name {name}"
        " busybox sleep 1d"
    )
    return host.run(f"docker inspect -f '{{{{.NetworkSettings.Networks.weave.IPAddress}}}}' {name}")


def established(host: LabHost) -> int:
    return host.sh("weave status connections").stdout.count(" established vxlan ")


def test_partitioned_hosts_allocate_apart_and_join_again(lab: Lab) -> None:
    one, two, three = lab.hosts(3)
    one.run("weave launch")
    two.run("weave launch $HOST1")
    three.run("weave launch $HOST1")
    until(lambda: all(established(host) == 2 for host in (one, two, three)), 10, "full mesh")
    given = [start(host, f"before{host.number}") for host in (one, two, three)]

    lab.partition([one], [two, three])
    until(lambda: established(one) == 0, 60, "the first host notices")
    until(lambda: established(two) == 1 and established(three) == 1, 60, "the others notice")
    given += [start(host, f"apart{host.number}") for host in (one, two, three)]
    pings(two, "apart2", "apart3")

    lab.unblock()
    until(lambda: all(established(host) == 2 for host in (one, two, three)), 90, "full mesh again")
    given += [start(host, f"after{host.number}") for host in (one, two, three)]
    assert len(set(given)) == 9
    for host in (one, two, three):
        for target in given:
            pings(host, f"after{host.number}", target)
        for name in ("before1", "apart1", "apart2", "apart3", "after3"):
            until(
                lambda host=host, name=name: host.run(f"weave dns-lookup {name}"),  # type: ignore[misc]
                40,
                f"{name} is known on {host.name}",
            )


def test_blocked_data_port_is_told_and_heals(lab: Lab) -> None:
    one, two = lab.hosts(2)
    lab.block_udp(6784)
    one.run("weave launch")
    two.run("weave launch $HOST1")
    told = until(
        lambda: "6784" in (text := two.sh("weave status connections").stdout) and text,
        60,
        "the reason names the port",
    )
    assert "UDP" in str(told)
    assert established(two) == 0
    lab.unblock()
    until(lambda: established(one) == 1 and established(two) == 1, 90, "connected once the port is open")
