"""`weave expose` and `hide`: the host reaches what it is exposed to and nothing else, and stays so."""

from __future__ import annotations

from tests.lab.asking import launch_joined, names, report
from tests.lab.checks import pings, until
from tests.lab.hosts import LabHost

Two = tuple[LabHost, LabHost]


def attached(host: LabHost, name: str, addresses: str) -> None:
    """A container that Docker gives no network, so that all its ways lead over ours."""
    host.run(f"docker run -tdi --name {name} --net=none busybox")
    host.run(f"weave attach {addresses} {name}")


def reaches(host: LabHost, address: str) -> bool:
    return host.sh(f"ping -c1 -W1 -q {address}").status == 0


def gets_to(host: LabHost, address: str) -> None:
    until(lambda: reaches(host, address), 10, f"{host.name} itself reaches {address}")


def becomes_known(host: LabHost, name: str, address: str) -> None:
    until(lambda: host.run(f"weave dns-lookup {name}") == address, 10, f"{host.name} knows {name}")


def exposed(host: LabHost) -> list[str]:
    return host.run("weave ps weave:expose").split()[2:]


def rules(host: LabHost) -> str:
    return host.run("iptables -w -S | grep -i weave; iptables -w -t nat -S | grep -i weave")


def test_the_host_reaches_only_the_subnets_that_it_is_exposed_to(two_hosts: Two) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    attached(one, "red", "10.2.1.1/24")
    attached(two, "far", "10.2.1.2/24")
    attached(two, "blue", "10.2.2.1/24 net:default")
    assert not reaches(one, "10.2.1.1")
    assert one.run("weave expose 10.2.1.101/24 -h gate.weave.local") == "10.2.1.101"
    assert one.run("weave expose 10.2.1.101/24 -h door.weave.local") == "10.2.1.101"
    assert exposed(one) == ["10.2.1.101/24"]
    for address in ("10.2.1.1", "10.2.1.2"):
        gets_to(one, address)
    assert not reaches(one, "10.2.2.1")
    for name in ("gate", "door"):
        becomes_known(two, name, "10.2.1.101")

    given = one.run("weave expose net:default net:10.33.0.0/24").split()
    assert one.run("weave expose") == given[0], "the same again"
    assert exposed(one) == ["10.2.1.101/24", f"{given[0]}/12", f"{given[1]}/24"]
    blue = two.run("weave attach blue")
    gets_to(one, blue)
    assert not two.sh("docker exec blue ping -c1 -W1 -q 10.2.1.1").status == 0, "subnets stay apart"
    assert not two.sh("docker exec far ping -c1 -W1 -q 10.2.2.1").status == 0

    # Out through the host, as from the host; and in from another host, by a route to it.
    one.run("nsenter -t $(docker inspect -f '{{.State.Pid}}' red) -n ip route add default via 10.2.1.101")
    pings(one, "red", two.ip)
    two.run(f"ip route add 10.2.1.1/32 via {one.ip}")
    gets_to(two, "10.2.1.1")
    two.run("ip route del 10.2.1.1/32")

    assert one.run("weave hide 10.2.1.101/24 10.9.9.9/24") == "10.2.1.101 10.9.9.9"
    assert one.run("weave hide net:default net:10.33.0.0/24").split() == given
    assert one.run("weave hide") == "" and exposed(one) == []
    assert not reaches(one, "10.2.1.1")
    assert "MASQUERADE" not in rules(one)
    until(lambda: not [n for n in names(two) if n["ContainerID"] == "weave:expose"], 5, "names are gone")
    # Which one it gets now depends on who owns what of the range; the ones before are free again.
    again = one.run("weave expose --without-masquerade")
    assert exposed(one) == [f"{again}/12"]
    assert "MASQUERADE" not in rules(one)


def test_exposures_come_back_whatever_happens(host: LabHost) -> None:
    assert host.run("weave expose 10.2.1.101/24 10.2.2.101/24") == "10.2.1.101 10.2.2.101"
    attached(host, "red", "10.2.1.1/24")
    assert reaches(host, "10.2.1.1"), "before any launch"
    assert host.run("weave hide 10.2.2.101/24") == "10.2.2.101"
    refused = host.sh("weave expose net:default")
    assert refused.status == 1 and "weave container is not present. Have you launched it?" in refused.stderr

    host.run("weave launch", timeout=120)
    assert exposed(host) == ["10.2.1.101/24"]
    given = host.run("weave expose")
    wanted, made = exposed(host), rules(host)
    assert made.count("MASQUERADE") == 4
    host.run("docker kill weave && ip link del weave && iptables -w -t nat -F WEAVE && docker start weave")
    until(lambda: host.sh("weave status").status == 0, 30, "the router is back")
    assert (exposed(host), rules(host)) == (wanted, made)

    host.power_off()
    host.boot()
    until(lambda: host.sh("weave status").status == 0, 60, "the router is back")
    assert (exposed(host), rules(host)) == (wanted, made)
    assert "10.2.1.101" in host.run("ip addr show weave")
    host.run("weave stop")
    assert host.run("weave hide 10.2.1.101/24") == "10.2.1.101"
    host.run("weave launch", timeout=120)
    assert exposed(host) == [f"{given}/12"], "what was hidden without a router stays hidden"
    assert report(host)["IPAM"]["ActiveIPs"] == 1
