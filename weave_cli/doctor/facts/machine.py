"""Kernel, firewall, ports and routes of this host. Reads only; tries out elsewhere."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from weave_cli.addresses import Cidr, parse_address, parse_cidr, parse_trusted_subnets
from weave_cli.doctor.checks.firewall import FirewallState
from weave_cli.doctor.checks.kernel import KernelFacts
from weave_cli.doctor.checks.ports import PortFacts
from weave_cli.doctor.checks.ranges import RangeFacts, RouteFacts
from weave_cli.doctor.facts.circumstances import Circumstances
from weave_cli.errors import UsageProblem
from weave_cli.host import iptables
from weave_cli.host.bridge import read_bridge
from weave_cli.host.exposure import read_exposures
from weave_cli.host.listeners import find_listener, find_owner
from weave_cli.host.routes import list_routes
from weave_cli.host.rules import FirewallFacts
from weave_cli.host.trial import try_kernel
from weave_cli.names import BRIDGE, DEFAULT_RANGE
from weave_cli.operations.host_facts import find_interface_address
from weave_cli.operations.preflight import NeededPort, list_needed_ports

_BRIDGE_FILTER: Final = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def read_kernel() -> KernelFacts:
    return KernelFacts(release=platform.release(), refusals=try_kernel())


def read_firewall(around: Circumstances) -> FirewallState:
    backend = iptables.find_backend()
    port = around.port
    return FirewallState(
        backend=backend,
        is_in_both=len(iptables.find_docker_backends()) > 1,
        repairs=tuple(iptables.find_repairs(_wanted_rules(around), backend)),
        listing=tuple(iptables.list_rules(backend)),
        ports=(("tcp", port), ("udp", port), ("udp", port + 1)),
        router_runs=around.router_runs,
        bridge=BRIDGE,
        has_bridge=read_bridge() is not None,
        filters_bridges=_BRIDGE_FILTER.exists() and _BRIDGE_FILTER.read_text().strip() == "1",
    )


def _wanted_rules(around: Circumstances) -> FirewallFacts:
    """As the router that runs was told, as far as it tells."""
    clear_sources = None
    if around.report is not None and around.report["Router"]["Encryption"]:
        clear_sources = parse_trusted_subnets(",".join(around.report["Router"]["TrustedSubnets"]))
    return FirewallFacts(
        mesh_port=around.port,
        docker_bridge=around.settings.docker_bridge,
        control_address=around.settings.http_address,
        exposures=read_exposures(),
        clear_sources=clear_sources,
    )


def read_ports(around: Circumstances) -> Iterator[PortFacts]:
    """Those that a launch looks at, too."""
    wants_dns = around.report is None or "DNS" in around.report
    dns_address = find_interface_address(around.settings.docker_bridge) if wants_dns else None
    for needed in list_needed_ports(around.port, around.settings.http_address, dns_address):
        yield _read_port(around, needed)


def _read_port(around: Circumstances, needed: NeededPort) -> PortFacts:
    protocol, port, address = needed.protocol, needed.port, needed.address
    owner = find_owner(protocol, port, address)
    described = find_listener(protocol, port, address) if owner is None else str(owner)
    # The VXLAN device's socket is the kernel's own, which a stopped router leaves, and takes up again.
    is_kernels = described is not None and owner is None and protocol == "udp"
    return PortFacts(
        protocol=protocol,
        port=port,
        address=address,
        purpose=needed.purpose,
        instead=needed.instead,
        owner=None if is_kernels and not around.router_runs else described,
        owner_pid=None if owner is None else owner.pid,
        is_ours=is_kernels or (owner is not None and _is_in(owner.pid, around)),
    )


def _is_in(pid: int, around: Circumstances) -> bool:
    """Is it a process of the router's container? Control groups are named after containers."""
    if around.router is None:
        return False
    try:
        return around.router.id in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def read_ranges(around: Circumstances) -> RangeFacts:
    return RangeFacts(
        wanted=_read_range(around),
        is_launched=around.is_launched,
        routes=(
            *(RouteFacts(host="", route=route, device=device) for route, device in list_routes()),
            *(
                RouteFacts(host=peer.nickname, route=route, device=device)
                for peer in around.peers
                for route, device in peer.overlaps
            ),
        ),
        underlay=tuple(_read_underlay(around)),
        asked=tuple(peer.nickname for peer in around.peers if peer.tells),
    )


def _read_range(around: Circumstances) -> Cidr | None:
    if around.report is None:
        return parse_cidr(DEFAULT_RANGE)
    return parse_cidr(around.report["IPAM"]["Range"]) if "IPAM" in around.report else None


def _read_underlay(around: Circumstances) -> Iterator[tuple[str, int]]:
    """Name and address of each host that we are, or shall be, connected to; IPv4 addresses only."""
    for one in around.connections:
        try:
            yield one["Address"], parse_address(one["Address"].rpartition(":")[0])
        except UsageProblem:
            continue
