"""The router's report as the answers of `weave status`, for programs. Pure: turns values into values.

`weave report` has all of it in the words of the original; here is what people look at, in ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from weave_cli.leaks import Leaks
from weave_cli.names import SWARM_DRIVER
from weave_cli.report_states import CONNECTION_STATES, find_ring_state, list_owners, living_names
from weave_cli.reports import Dns, Ipam, Peer, PeerConnection, Report


def overview(
    report: Report | None,
    *,
    has_plugin: bool,
    has_swarm_plugin: bool,
    leaks: Leaks | None,
    proxy: Sequence[str],
) -> dict[str, Any]:
    """`weave status`; parts that are switched off, or do not run, are null."""
    return {
        "ready": report is not None and report["Ready"],
        "version": None if report is None else report["Version"],
        "router": None if report is None else _router(report),
        "ipam": None if report is None or "IPAM" not in report else _ipam_overview(report["IPAM"]),
        "dns": None if report is None or "DNS" not in report else _dns_overview(report["DNS"]),
        "plugin": _plugin(leaks) if has_plugin else None,
        "proxy": {"addresses": list(proxy)} if proxy else None,
        "swarmPlugin": {"driver": SWARM_DRIVER} if has_swarm_plugin else None,
    }


def _plugin(leaks: Leaks | None) -> dict[str, Any]:
    told = None if leaks is None else {"suspected": dict(leaks.suspected), "removed": dict(leaks.removed)}
    return {"driver": "weave", "leaks": told}


def targets(report: Report) -> dict[str, Any]:
    """`weave status targets`."""
    return {"targets": list(report["Router"]["Targets"] or ())}


def connections(report: Report) -> dict[str, Any]:
    """`weave status connections`; the peer of those that are not up may be unknown: null."""
    router = report["Router"]
    known = {
        (one["Address"], one["Outbound"]): one
        for peer in router["Peers"]
        if peer["Name"] == router["Name"]
        for one in peer["Connections"] or ()
    }
    found = []
    for one in router["Connections"]:
        peer = known.get((one["Address"], one["Outbound"]))
        attributes = dict(one["Attrs"] or {})
        found.append(
            {
                "address": one["Address"],
                "outbound": one["Outbound"],
                "state": one["State"],
                "peer": None if peer is None else _name(peer),
                "overlay": attributes.pop("name", None),
                "attributes": attributes,
                "info": one["Info"],
            }
        )
    return {"connections": found}


def peers(report: Report) -> dict[str, Any]:
    """`weave status peers`: every known peer with the connections that it told of."""
    return {
        "peers": [
            {
                **_name(peer),
                "connections": [
                    {
                        "peer": _name(one),
                        "address": one["Address"],
                        "outbound": one["Outbound"],
                        "established": one["Established"],
                    }
                    for one in peer["Connections"] or ()
                ],
            }
            for peer in report["Router"]["Peers"]
        ]
    }


def dns(part: Dns) -> dict[str, Any]:
    """`weave status dns`: living names."""
    return {
        "domain": part["Domain"],
        "entries": [
            {
                "name": entry["Hostname"],
                "address": entry["Address"],
                "container": entry["ContainerID"],
                "origin": entry["Origin"],
            }
            for entry in living_names(part)
        ],
    }


def ipam(part: Ipam, own_name: str) -> dict[str, Any]:
    """`weave status ipam`: what each peer owns of the range, ourselves first."""
    return {
        "range": part["Range"],
        "rangeAddresses": part["RangeNumIPs"],
        "state": str(find_ring_state(part)),
        "owners": [
            {
                "peer": {"name": one.name, "nickname": one.nickname},
                "addresses": one.size,
                "share": one.size / part["RangeNumIPs"],
                "reachable": one.is_reachable,
                "active": part["ActiveIPs"] if one.name == own_name else None,
            }
            for one in list_owners(part, own_name)
        ],
    }


def _router(report: Report) -> dict[str, Any]:
    router = report["Router"]
    states = Counter(one["State"] for one in router["Connections"])
    links = Counter(one["Established"] for peer in router["Peers"] for one in peer["Connections"] or ())
    return {
        "name": router["Name"],
        "nickname": router["NickName"],
        "protocol": {"lowest": router["ProtocolMinVersion"], "highest": router["ProtocolMaxVersion"]},
        "encryption": router["Encryption"],
        "peerDiscovery": router["PeerDiscovery"],
        "trustedSubnets": list(router["TrustedSubnets"]),
        "targets": len(router["Targets"] or ()),
        "connections": {
            "total": len(router["Connections"]),
            **{state: states[state] for state in CONNECTION_STATES},
        },
        "peers": {
            "total": len(router["Peers"]),
            "establishedConnections": links[True],
            "pendingConnections": links[False],
        },
    }


def _ipam_overview(part: Ipam) -> dict[str, Any]:
    paxos = part["Paxos"]
    return {
        "state": str(find_ring_state(part)),
        "quorum": None if paxos is None else {"needed": paxos["Quorum"], "known": paxos["KnownNodes"]},
        "range": part["Range"],
        "defaultSubnet": part["DefaultSubnet"],
    }


def _dns_overview(part: Dns) -> dict[str, Any]:
    return {
        "domain": part["Domain"],
        "upstream": list(part["Upstream"]),
        "ttlSeconds": part["TTL"],
        "entries": sum(1 for _ in living_names(part)),
    }


def _name(peer: Peer | PeerConnection) -> dict[str, str]:
    return {"name": peer["Name"], "nickname": peer["NickName"]}
