"""Our firewall rules as values, and the way from the rules that are there to the ones wanted. Pure.

All our rules stand in chains of our own; each is entered by one jump from a built-in chain, in the filter its
first rule, so that our rules speak before Docker's. So a reset has little to find. Rules are written exactly
as `iptables -S` prints them back: equality of lines is how a change is noticed.
Source: specification cli, section 7.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.addresses import Cidr
from weave_cli.names import BRIDGE, DOCKER_BRIDGE, DOCKER_GATEWAY_BRIDGE, HTTP_ADDRESS, MESH_PORT
from weave_cli.realms import BRIDGE_PREFIX

DNS_PORT: Final = 53

FILTER: Final = "filter"
NAT: Final = "nat"
TABLES: Final = (FILTER, NAT)

_MULTICAST: Final = "224.0.0.0/4"


@dataclass(frozen=True, slots=True)
class Exposure:
    """An address that the host itself has on the network (`weave expose`).

    masquerades: what passes between that subnet and others goes as from this host.
    """

    cidr: Cidr
    masquerades: bool = True

    @property
    def subnet(self) -> Cidr:
        return Cidr(self.cidr.network.start, self.cidr.prefix_len)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallFacts:
    """What the rules depend on; `control_address` is the HTTP API's `address:port`."""

    mesh_port: int = MESH_PORT
    docker_bridge: str = DOCKER_BRIDGE
    gateway_bridge: str = DOCKER_GATEWAY_BRIDGE
    bridge: str = BRIDGE
    control_address: str = HTTP_ADDRESS
    exposures: tuple[Exposure, ...] = ()
    is_joined: bool = False
    """Another bridge is tied to ours (`weave attach-bridge`): what goes to ours is then not translated."""
    clear_sources: tuple[Cidr, ...] | None = None
    """Networks from which frames in clear are taken; None: from everywhere."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of ours, the built-in chain that jumps to it, and its rules without `-A CHAIN`.

    comes_first: the jump has to be the first rule there; else it may stand anywhere.
    """

    name: str
    entered_from: str
    rules: tuple[str, ...]
    table: str = FILTER
    comes_first: bool = True


def wanted_chains(facts: FirewallFacts) -> tuple[Chain, ...]:
    """All our chains."""
    return (_forward_chain(facts), _input_chain(facts), _nat_chain(facts))


def _forward_chain(facts: FirewallFacts) -> Chain:
    rules = [
        # First, as all frames between ports of the bridge pass here where br_netfilter is loaded; Docker's
        # policy is DROP.
        f"-i {facts.bridge} -o {facts.bridge} -j ACCEPT",
        # Realms, too. The host has no route into one: what comes from one and goes to one stays in it.
        f"-i {BRIDGE_PREFIX}+ -o {BRIDGE_PREFIX}+ -j ACCEPT",
        f"-i {BRIDGE_PREFIX}+ -j DROP",
        f"-o {BRIDGE_PREFIX}+ -j DROP",
    ]
    outer = [name for name in (facts.docker_bridge, facts.gateway_bridge) if name != facts.bridge]
    # An exposed host is a way into ours, but not for containers of isolated networks, by the gateway bridge.
    rules += (f"-i {name} -o {facts.bridge} -j DROP" for name in outer)
    # As from this host, a container could tell others to put what it likes into any network of theirs.
    rules += (
        f"-i {name} ! -o {name} -p {protocol} -m {protocol} --dport {number} -j DROP"
        for name in (*outer, facts.bridge)
        for protocol, number in _mesh_ports(facts.mesh_port)
    )
    subnets = dict.fromkeys(exposure.subnet for exposure in facts.exposures)
    rules += (f"-d {subnet} -o {facts.bridge} -j ACCEPT" for subnet in subnets)
    if subnets:
        # Containers that have this host as their way out, and the answers that they get.
        rules.append(f"-i {facts.bridge} ! -o {facts.bridge} -j ACCEPT")
        rules.append(f"-o {facts.bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    return Chain("WEAVE-FORWARD", "FORWARD", tuple(rules))


def _input_chain(facts: FirewallFacts) -> Chain:
    address, _, port = facts.control_address.rpartition(":")
    rules: list[str] = []
    if address.startswith("127."):
        # Another machine on the link can send packets to 127.0.0.1 where route_localnet is on.
        rules.append(
            f"-d {address}/32 -p tcp -m tcp --dport {port} -m addrtype ! --src-type LOCAL "
            "-m conntrack ! --ctstate RELATED,ESTABLISHED "
            '-m comment --comment "weave: no outside control" -j DROP'
        )
    for inner in dict.fromkeys((facts.docker_bridge, facts.gateway_bridge, facts.bridge)):
        rules += (
            f"-i {inner} -p {protocol} -m {protocol} --dport {number} -j DROP"
            for protocol, number in _mesh_ports(facts.mesh_port)
        )
    # Nothing of the host's is for containers of a realm.
    rules.append(f"-i {BRIDGE_PREFIX}+ -j DROP")
    # Containers on plugin networks have their way out, and so their questions, through the gateway bridge.
    for inner in dict.fromkeys((facts.docker_bridge, facts.gateway_bridge)):
        rules += (
            f"-i {inner} -p {protocol} -m {protocol} --dport {DNS_PORT} -j ACCEPT"
            for protocol in ("udp", "tcp")
        )
    rules += _vxlan_rules(facts)
    return Chain("WEAVE-INPUT", "INPUT", tuple(rules))


def _vxlan_rules(facts: FirewallFacts) -> list[str]:
    """The VXLAN device takes frames from anybody: where there is a password, only trusted hosts get there."""
    sources = facts.clear_sources
    if sources is None or any(source.prefix_len == 0 for source in sources):
        return []
    vxlan = f"-p udp -m udp --dport {facts.mesh_port + 1}"
    # RETURN, not ACCEPT: whether the host wants them at all is for its own rules to say.
    return [*(f"-s {source} {vxlan} -j RETURN" for source in dict.fromkeys(sources)), f"{vxlan} -j DROP"]


def _nat_chain(facts: FirewallFacts) -> Chain:
    subnets = dict.fromkeys(exposure.subnet for exposure in facts.exposures if exposure.masquerades)
    joined = (f"-o {facts.bridge} -j ACCEPT",) if facts.is_joined else ()
    rules = (
        rule
        for subnet in subnets
        for rule in (
            f"-s {subnet} -d {_MULTICAST} -j RETURN",
            f"! -s {subnet} -d {subnet} -j MASQUERADE",
            f"-s {subnet} ! -d {subnet} -j MASQUERADE",
        )
    )
    # Docker puts a rule in front for each network that it makes, about other packets.
    return Chain("WEAVE", "POSTROUTING", (*joined, *rules), NAT, comes_first=False)


def is_masqueraded(subnet: Cidr, nat_listing: Sequence[str]) -> bool:
    """Is this subnet translated? `nat_listing`: what `iptables -t nat -S` printed."""
    return f"-A WEAVE -s {subnet} ! -d {subnet} -j MASQUERADE" in nat_listing


def _mesh_ports(mesh_port: int) -> tuple[tuple[str, int], ...]:
    """Protocol and number: control, sleeve, vxlan."""
    return (("tcp", mesh_port), ("udp", mesh_port), ("udp", mesh_port + 1))


def plan_repair(listing: Sequence[str], chains: Iterable[Chain], table: str = FILTER) -> list[str]:
    """Lines for `iptables-restore --noflush` that make our part of a table right; none when it is.

    `listing` is what `iptables -S` printed of that table.
    """
    lines: list[str] = []
    for chain in _in_table(chains, table):
        prefix = f"-A {chain.name} "
        if f"-N {chain.name}" not in listing or chain.rules != tuple(
            line.removeprefix(prefix) for line in listing if line.startswith(prefix)
        ):
            # Declaring a chain of ours empties it.
            lines.insert(0, f":{chain.name} - [0:0]")
            lines += (prefix + rule for rule in chain.rules)
        entered = [line for line in listing if line.startswith(f"-A {chain.entered_from} ")]
        jump = f"{chain.entered_from} -j {chain.name}"
        is_in_place = not chain.comes_first or entered[:1] == [f"-A {jump}"]
        if not is_in_place or entered.count(f"-A {jump}") != 1:
            lines += [f"-D {jump}"] * entered.count(f"-A {jump}")
            lines.append(f"-I {chain.entered_from} 1 -j {chain.name}" if chain.comes_first else f"-A {jump}")
    return _as_transaction(table, lines)


def plan_removal(listing: Sequence[str], chains: Iterable[Chain], table: str = FILTER) -> list[str]:
    """Lines that leave nothing of our chains in a table; none when nothing is there."""
    lines: list[str] = []
    for chain in _in_table(chains, table):
        jump = f"{chain.entered_from} -j {chain.name}"
        lines += [f"-D {jump}"] * list(listing).count(f"-A {jump}")
        if f"-N {chain.name}" in listing:
            lines += [f"-F {chain.name}", f"-X {chain.name}"]
    return _as_transaction(table, lines)


def _in_table(chains: Iterable[Chain], table: str) -> Iterator[Chain]:
    return (chain for chain in chains if chain.table == table)


def _as_transaction(table: str, lines: list[str]) -> list[str]:
    return [f"*{table}", *lines, "COMMIT"] if lines else []
