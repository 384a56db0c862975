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


def established(host: LabHost, overlay: str = "vxlan") -> int:
    return host.sh("weave status connections").stdout.count(f" established {overlay} ")


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


def test_hosts_whose_data_port_is_blocked_go_on_by_sleeve(lab: Lab) -> None:
    one, two = lab.hosts(2)
    lab.block_udp(6784)
    one.run("weave launch")
    two.run("weave launch $HOST1")
    until(lambda: established(one, "sleeve") == established(two, "sleeve") == 1, 10, "sleeve carries")
    given = [start(host, f"c{host.number}") for host in (one, two)]
    pings(one, "c1", given[1])
    pings(two, "c2", "c1")
    told = until(
        lambda: "6784" in (text := two.sh("weave status connections").stdout) and text,
        20,
        "the reason names the port",
    )
    assert "vxlan=" in str(told)

    lab.unblock()
    until(lambda: established(one) == established(two) == 1, 40, "vxlan carries once its port is open")
    pings(one, "c1", given[1])

    lab.block_udp(6784)
    until(lambda: established(one, "sleeve") == established(two, "sleeve") == 1, 20, "sleeve carries again")
    pings(two, "c2", given[0])
    for host in (one, two):
        assert host.run("weave report -f '{{.Router.TerminationCount}}'") == "0"


def test_hosts_with_both_data_ports_blocked_are_told_why(lab: Lab) -> None:
    one, two = lab.hosts(2)
    for port in (6783, 6784):
        lab.block_udp(port)
    one.run("weave launch")
    two.run("weave launch $HOST1")
    until(
        lambda: "vxlan=no heartbeats" in two.sh("weave status connections").stdout, 20, "one reason is shown"
    )

    def told_at_the_end() -> str | None:
        """By whoever lost patience first; the other one hears that its peer closed the connection."""
        logs = (host.run("docker logs weave 2>&1") for host in (one, two))
        return next((text for text in logs if "no working forwarders" in text), None)

    told = str(until(told_at_the_end, 100, "both reasons are told at the end"))
    assert "vxlan: no heartbeats through UDP port 6784" in told and "; sleeve: " in told
    lab.unblock()
    until(lambda: established(one) == established(two) == 1, 90, "connected once the ports are open")
