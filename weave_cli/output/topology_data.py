"""The mesh as a graph for programs. Pure."""

from __future__ import annotations

from typing import Any

from weave_cli.topology import Link, Topology


def make_data(topology: Topology) -> dict[str, Any]:
    """Nodes, links by the names of their ends, and who is not there; null for what cannot be known here."""
    return {
        "self": topology.own.name,
        "nodes": [
            {"name": node.name, "nickname": node.nickname, "hops": node.hops, "via": node.via}
            for node in topology.nodes
        ],
        "links": [_link(link) for link in topology.links],
        "absent": [{"label": one.label, "reason": one.reason} for one in topology.absent],
    }


def _link(link: Link) -> dict[str, Any]:
    return {
        "ends": list(link.ends),
        "state": link.state.value,
        "address": link.address,
        "overlay": link.overlay,
        "encrypted": link.is_encrypted,
        "roundTripMs": link.round_trip_ms,
        "mtu": link.mtu,
        "pathMtu": link.path_mtu,
        "trouble": link.trouble,
    }
