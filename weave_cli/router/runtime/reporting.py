"""The router's report, made from the views of its parts. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from weave_cli import __version__
from weave_cli.addresses import format_address
from weave_cli.names import TAP_DEVICE, VXLAN_DEVICE, PeerName, format_peer_name
from weave_cli.reports import NO_VERSION_CHECK, ROUND_TRIP, Dns, Ipam, LocalConnection, Report, Router
from weave_cli.router.ipam.allocator import Allocator
from weave_cli.router.ipam.ring import as_cidr
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.mesh.views import TargetView
from weave_cli.router.nameserver.registry import NameRegistry
from weave_cli.router.options import Options
from weave_cli.router.runtime.dataplane import DataPlane
from weave_cli.router.runtime.dns_server import DnsServer
from weave_cli.router.wire.intro import HIGHEST_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSources:
    """Who is asked."""

    options: Options
    name: PeerName
    is_ready: bool
    node: MeshNode
    targets: Sequence[str]
    dataplane: DataPlane
    terminations: int
    is_encrypted: Callable[[int], bool]
    round_trip_us: Callable[[int], int | None]
    allocator: Allocator | None
    registry: NameRegistry | None
    dns_server: DnsServer | None


def make_report(sources: ReportSources) -> Report:
    """All of it (specification http-api, section 6)."""
    report: Report = {
        "Ready": sources.is_ready,
        "Version": __version__,
        "VersionCheck": NO_VERSION_CHECK,
        "Router": _router(sources),
    }
    if sources.allocator:
        report["IPAM"] = report_addresses(sources.allocator)
    if sources.registry and sources.dns_server:
        report["DNS"] = _dns(sources.registry, sources.dns_server, sources.options)
    return report


def _router(sources: ReportSources) -> Router:
    node, options = sources.node, sources.options
    return {
        "Protocol": "weave",
        "ProtocolMinVersion": options.lowest_protocol_version,
        "ProtocolMaxVersion": HIGHEST_VERSION,
        "Encryption": options.password_file is not None,
        "PeerDiscovery": options.discovery,
        "Name": format_peer_name(sources.name),
        "NickName": options.nickname,
        "Port": options.port,
        "Peers": [
            {
                "Name": format_peer_name(peer.name),
                "NickName": peer.nickname,
                "UID": peer.uid,
                "ShortID": peer.short_id or 0,
                "Version": peer.version,
                "Connections": [
                    {
                        "Name": format_peer_name(link.remote),
                        "NickName": node.nickname_of(link.remote),
                        "Address": link.address,
                        "Outbound": link.outbound,
                        "Established": link.established,
                    }
                    for link in peer.links
                ],
            }
            for peer in node.peers()
        ],
        "UnicastRoutes": [
            {"Dest": format_peer_name(route.destination), "Via": format_peer_name(route.via)}
            for route in node.unicast_routes()
        ],
        "BroadcastRoutes": [
            {"Source": format_peer_name(route.source), "Via": [format_peer_name(via) for via in route.via]}
            for route in node.broadcast_routes()
        ],
        "Connections": _connections(sources),
        "TerminationCount": sources.terminations,
        "Targets": list(sources.targets),
        "OverlayDiagnostics": sources.dataplane.diagnostics(),
        "TrustedSubnets": [str(subnet) for subnet in options.trusted_subnets],
        "Interface": f"{VXLAN_DEVICE} (via kernel), {TAP_DEVICE} (via sleeve)",
        "CaptureStats": None,
        "MACs": [
            {
                "Mac": mac.hex(":"),
                "Name": format_peer_name(peer),
                "NickName": node.nickname_of(peer),
                "LastSeen": datetime.fromtimestamp(seen, UTC).isoformat().replace("+00:00", "Z"),
            }
            for mac, (peer, seen) in sorted(sources.dataplane.macs.seen().items())
        ],
    }


def _connections(sources: ReportSources) -> list[LocalConnection]:
    """Live ones first, then targets that have none."""
    lines: list[LocalConnection] = []
    for one in sources.node.connections():
        attributes = sources.dataplane.attributes(one.conn_id)
        overlay = attributes.get("name", "none") if one.state == "established" else "none"
        sealing = ""
        if sources.options.password_file is not None:
            is_encrypted = sources.is_encrypted(one.conn_id)
            sealing = f"{'encrypted' if is_encrypted else 'unencrypted':<11} "
            if is_encrypted and attributes:
                attributes = {**attributes, "encrypted": True}
        round_trip_us = sources.round_trip_us(one.conn_id)
        if round_trip_us is not None and attributes:
            attributes = {**attributes, ROUND_TRIP: round_trip_us}
        lines.append(
            {
                "Address": one.address,
                "Outbound": one.outbound,
                "State": one.state,
                "Info": f"{sealing}{overlay:<6} {format_peer_name(one.remote)}({one.nickname})",
                "Attrs": attributes or None,
            }
        )
    for target in sources.node.targets():
        lines.append(
            {
                "Address": target.address,
                "Outbound": True,
                "State": target.state,
                "Info": _target_info(target),
                "Attrs": None,
            }
        )
    return lines


def _target_info(target: TargetView) -> str:
    """Specification http-api, section 5.3."""
    match target.state:
        case "failed":
            return f"{target.last_error}, retry: {_moment(target.next_try)}"
        case "waiting":
            return f"until: {_moment(target.next_try)}"
        case "retrying":
            return target.last_error or ""
    return ""


def _moment(when: float | None) -> str:
    """A time in Go's default form."""
    if when is None:
        return "never"
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M:%S.%f} +0000 UTC"


def report_addresses(allocator: Allocator) -> Ipam:
    """The allocator's part of the report."""
    view = allocator.view()
    return {
        "Paxos": {"Elector": view.is_elector, "KnownNodes": view.known_nodes, "Quorum": view.quorum}
        if view.is_electing
        else None,
        "Range": as_cidr(view.whole),
        "RangeNumIPs": view.whole.size,
        "ActiveIPs": view.active,
        "DefaultSubnet": str(view.default_subnet),
        "Entries": [
            {
                "Token": format_address(entry.token),
                "Size": entry.size,
                "Peer": format_peer_name(entry.peer),
                "Nickname": entry.nickname,
                "IsKnownPeer": entry.is_known,
                "Version": entry.version,
            }
            for entry in view.entries
        ]
        or None,
        "PendingClaims": [
            {
                "Ident": one.ident,
                "CIDR": {"Addr": format_address(one.cidr.address), "PrefixLen": one.cidr.prefix_len},
            }
            for one in view.pending_claims
        ]
        or None,
        "PendingAllocates": [f"{one.ident} {one.subnet}" for one in view.pending_allocations] or None,
    }


def _dns(registry: NameRegistry, server: DnsServer, options: Options) -> Dns:
    address, port = options.dns_listen or ("", 0)
    return {
        "Domain": registry.domain,
        "Upstream": list(server.upstream_servers()),
        "Address": f"{address}:{port}",
        "TTL": 1,
        "Entries": [
            {
                "Hostname": entry.hostname,
                "Origin": format_peer_name(entry.origin),
                "ContainerID": entry.container_id,
                "Address": format_address(entry.address),
                "Version": entry.version,
                "Tombstone": entry.tombstone,
            }
            for entry in registry.entries()
        ],
    }
