"""Our firewall rules on both backends of iptables: made once, repaired, and removed without a trace."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from tests.kernel.namespaces import Host, Underlay, call_in, udp_socket
from weave_cli.addresses import parse_cidr
from weave_cli.host.exposure import read_exposed
from weave_cli.host.iptables import DEFAULT, LEGACY, NFT, ensure_rules, find_backend, list_rules, remove_rules
from weave_cli.host.network import NetworkWish, ensure_network
from weave_cli.host.rules import NAT, Exposure, FirewallFacts

WISH = NetworkWish(
    bridge_mac="7a:00:00:00:00:01",
    vxlan_mac="0a:00:00:00:00:01",
    udp_port=6784,
    mtu=None,
    firewall=FirewallFacts(),
)
BACKENDS = [NFT, LEGACY]


@pytest.fixture
def host(underlay: Underlay) -> Host:
    return underlay.host()


def add_docker_rules(host: Host, backend: str, chains: tuple[str, ...] = ("DOCKER-USER",)) -> None:
    """What Docker puts at the top of FORWARD, the last name topmost; a second time as after its restart."""
    for chain in chains:
        host.run(f"{backend} -w -N {chain}")
        host.run(f"{backend} -w -I FORWARD -j {chain}")
    host.run(f"{backend} -w -P FORWARD DROP")


def ensure(host: Host) -> bool:
    return call_in(host.namespace, lambda: ensure_rules(FirewallFacts()))


@pytest.mark.parametrize("backend", BACKENDS)
def test_rules_for_trusted_hosts_are_read_back_as_written(host: Host, backend: str) -> None:
    add_docker_rules(host, backend)
    facts = FirewallFacts(clear_sources=(parse_cidr("10.1.0.0/16"), parse_cidr("10.9.9.9/32")))
    changes = [call_in(host.namespace, lambda: ensure_rules(facts)) for _ in range(2)]
    assert changes == [True, False]


def forward_rules(host: Host, backend: str) -> list[str]:
    listed = host.run(f"{backend} -w -S FORWARD").splitlines()
    return [line.removeprefix("-A FORWARD -j ") for line in listed if line.startswith("-A")]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_backend_is_the_one_with_dockers_rules(host: Host, backend: str) -> None:
    assert call_in(host.namespace, find_backend) == DEFAULT
    add_docker_rules(host, backend)
    assert call_in(host.namespace, find_backend) == backend


@pytest.mark.parametrize("backend", BACKENDS)
def test_rules_are_made_once(host: Host, backend: str) -> None:
    add_docker_rules(host, backend)
    assert [ensure(host), ensure(host)] == [True, False]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "harm", ["-F WEAVE-FORWARD", "-F WEAVE-INPUT", "-D INPUT 1", "-F FORWARD", "-A WEAVE-INPUT -j ACCEPT"]
)
def test_what_others_broke_is_repaired(host: Host, backend: str, harm: str) -> None:
    add_docker_rules(host, backend)
    ensure(host)
    whole = call_in(host.namespace, lambda: list_rules(backend))
    host.run(f"{backend} -w {harm}")
    assert [ensure(host), ensure(host)] == [True, False]
    repaired = call_in(host.namespace, lambda: list_rules(backend))
    if harm != "-F FORWARD":  # that one took Docker's rule as well
        assert repaired == whole


@pytest.mark.parametrize("backend", BACKENDS)
def test_ours_come_first_again_after_docker_restarted(host: Host, backend: str) -> None:
    add_docker_rules(host, backend, ("DOCKER-FORWARD", "DOCKER-USER"))
    ensure(host)
    assert forward_rules(host, backend) == ["WEAVE-FORWARD", "DOCKER-USER", "DOCKER-FORWARD"]
    host.run(f"{backend} -w -I FORWARD -j DOCKER-USER")
    assert ensure(host)
    assert forward_rules(host, backend) == ["WEAVE-FORWARD", "DOCKER-USER", "DOCKER-USER", "DOCKER-FORWARD"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_removal_leaves_the_rest_as_it_was(host: Host, backend: str) -> None:
    add_docker_rules(host, backend)
    before = call_in(host.namespace, lambda: list_rules(backend))
    ensure(host)
    for _ in range(2):
        call_in(host.namespace, remove_rules)
        assert call_in(host.namespace, lambda: list_rules(backend)) == before


def test_removal_without_any_rules_creates_no_tables(host: Host) -> None:
    call_in(host.namespace, remove_rules)
    assert host.run("cat /proc/thread-self/net/ip_tables_names") == ""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_container_may_ask_dns_and_not_the_mesh(host: Host, backend: str) -> None:
    """The host refuses everything else, as one with a firewall of its own does."""
    add_docker_rules(host, backend)
    guest = add_gateway_guest(host)
    ensure(host)
    host.run(f"{backend} -w -A INPUT -p udp --dport 53 -j DROP")
    with (
        udp_socket(host.namespace, port=53) as dns,
        udp_socket(host.namespace, port=6783) as mesh,
        udp_socket(guest) as client,
    ):
        client.sendto(b"to the mesh", ("172.18.0.1", 6783))
        client.sendto(b"question", ("172.18.0.1", 53))
        assert dns.recv(100) == b"question"
        mesh.settimeout(0.2)
        with pytest.raises(TimeoutError):
            mesh.recv(100)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_container_reaches_out_but_no_mesh_there_and_no_exposed_network(host: Host, backend: str) -> None:
    """By the way that Docker gives to containers of its networks, which leads through the host."""
    add_docker_rules(host, backend)
    guest = add_gateway_guest(host)
    host.run("sysctl -qw net.ipv4.ip_forward=1")
    for rule in ("FORWARD -i docker_gwbridge -j ACCEPT", "FORWARD -o docker_gwbridge -j ACCEPT"):
        host.run(f"{backend} -w -A {rule}")
    host.run(f"{backend} -w -t nat -A POSTROUTING -s 172.18.0.0/16 ! -o docker_gwbridge -j MASQUERADE")
    host.underlay.run_in(guest, "ip route add default via 172.18.0.1")
    facts = FirewallFacts(exposures=(Exposure(parse_cidr("10.32.0.1/16")),))
    call_in(host.namespace, lambda: ensure_network(replace(WISH, firewall=facts)))
    inside = host.container()
    host.underlay.run_in(inside, "ip route add default via 10.32.0.1")
    ports = (6783, 6784)
    with (
        udp_socket(guest) as client,
        udp_socket(host.underlay.router, port=5000) as outside,
        udp_socket(host.underlay.router, port=ports[0]) as sleeve,
        udp_socket(host.underlay.router, port=ports[1]) as vxlan,
        udp_socket(inside, port=5000) as exposed,
    ):
        client.sendto(b"to the outside", (host.gateway, 5000))
        assert outside.recv(100) == b"to the outside"
        refused = (
            (sleeve, (host.gateway, ports[0])),
            (vxlan, (host.gateway, ports[1])),
            (exposed, ("10.32.1.1", 5000)),
        )
        for _, place in refused:
            client.sendto(b"forged", place)
        client.sendto(b"last", (host.gateway, 5000))
        assert outside.recv(100) == b"last"
        for opened, _ in refused:
            opened.settimeout(0.2)
            with pytest.raises(TimeoutError):
                opened.recv(100)


def add_gateway_guest(host: Host) -> str:
    """A container that has the host as its way out, at 172.18.0.2; its namespace."""
    guest = host.underlay.namespace("guest")
    host.run("ip link add docker_gwbridge type bridge")
    host.run("ip addr add 172.18.0.1/16 dev docker_gwbridge")
    host.run(f"ip link add port0 type veth peer name eth0 netns {guest}")
    host.run("ip link set port0 master docker_gwbridge")
    for name in ("port0", "docker_gwbridge"):
        host.run(f"ip link set {name} up")
    host.underlay.run_in(guest, "ip addr add 172.18.0.2/16 dev eth0")
    host.underlay.run_in(guest, "ip link set eth0 up")
    return guest


@pytest.mark.parametrize("backend", BACKENDS)
def test_containers_of_one_host_talk_under_dockers_drop_policy(host: Host, backend: str) -> None:
    add_docker_rules(host, backend, ("DOCKER-FORWARD", "DOCKER-USER"))
    host.run("sysctl -qw net.bridge.bridge-nf-call-iptables=1")
    call_in(host.namespace, lambda: ensure_network(WISH))
    with udp_socket(host.container()) as sender, udp_socket(host.container(), port=5000) as receiver:
        sender.sendto(b"hello", ("10.32.1.2", 5000))
        assert receiver.recv(100) == b"hello"
        call_in(host.namespace, remove_rules)
        sender.sendto(b"lost", ("10.32.1.2", 5000))
        receiver.settimeout(0.2)
        with pytest.raises(TimeoutError):
            receiver.recv(100)


def test_the_control_port_is_closed_to_packets_from_the_link(host: Host) -> None:
    """route_localnet lets a machine on the link send to 127.0.0.1; curl on this host still gets through."""
    ensure(host)
    host.run("sysctl -qw net.ipv4.conf.all.route_localnet=1")
    router = host.underlay.router
    host.underlay.run_in(router, "ip addr del 127.0.0.1/8 dev lo")
    host.underlay.run_in(router, f"ip route add 127.0.0.1/32 via {host.address} dev h1")
    host.underlay.run_in(router, "sysctl -qw net.ipv4.conf.all.route_localnet=1")

    def listen() -> socket.socket:
        return socket.create_server(("127.0.0.1", 6784))

    def connect() -> str:
        with socket.socket() as client:
            client.settimeout(0.5)
            try:
                client.connect(("127.0.0.1", 6784))
            except TimeoutError:
                return "no answer"
            return "connected"

    with call_in(host.namespace, listen):
        assert call_in(host.namespace, connect) == "connected"
        assert call_in(router, connect) == "no answer"
        call_in(host.namespace, remove_rules)
        assert call_in(router, connect) == "connected"


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_exposed_subnet_reaches_out_and_is_reached(host: Host, backend: str) -> None:
    """Under Docker's DROP policy: a container whose way out is the host, and a machine beside the host."""
    add_docker_rules(host, backend, ("DOCKER-FORWARD", "DOCKER-USER"))
    host.run("sysctl -qw net.ipv4.ip_forward=1")
    exposure = Exposure(parse_cidr("10.32.0.1/16"))
    wish = replace(WISH, firewall=FirewallFacts(exposures=(exposure,)))
    call_in(host.namespace, lambda: ensure_network(wish))
    container = host.container()
    host.underlay.run_in(container, "ip route add default via 10.32.0.1")
    outside = host.underlay.router
    with udp_socket(container, port=5000) as inner, udp_socket(outside, port=5000) as outer:
        inner.sendto(b"hello", (host.gateway, 5000))
        text, seen_from = outer.recvfrom(100)
        assert (text, seen_from[0]) == (b"hello", host.address), "as from the host itself"
        outer.sendto(b"answer", seen_from)
        assert inner.recvfrom(100) == (b"answer", (host.gateway, 5000))
    host.underlay.run_in(outside, f"ip route add 10.32.0.0/16 via {host.address}")
    with udp_socket(container, port=5001) as inner, udp_socket(outside) as outer:
        outer.sendto(b"knock", ("10.32.1.1", 5001))
        assert inner.recvfrom(100)[0] == b"knock"
    rules = call_in(host.namespace, lambda: list_rules(backend, NAT))
    host.run(f"{backend} -w -t nat -F")
    host.run("ip addr flush dev weave")
    assert call_in(host.namespace, lambda: ensure_network(wish)).rules_changed
    assert call_in(host.namespace, lambda: list_rules(backend, NAT)) == rules
    assert call_in(host.namespace, read_exposed) == (exposure.cidr,)
    assert not call_in(host.namespace, lambda: ensure_network(wish)).rules_changed
    call_in(host.namespace, remove_rules)
    assert not any("WEAVE" in line for line in call_in(host.namespace, lambda: list_rules(backend, NAT)))
