"""Connections to other hosts: up, by the fast way, and wide enough for the packets of containers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from weave_cli.doctor.findings import Finding, failure, note, ok, warning


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFacts:
    """A connection, or a target without one, as the router reports it; attributes: its overlay's."""

    address: str
    peer: str
    """The other's nickname; empty where there is no connection."""
    state: str
    info: str
    attributes: dict[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFacts:
    """mtu: of bridge and containers; underlay_mtu: of the device that leads to other hosts; in octets."""

    connections: tuple[ConnectionFacts, ...]
    mtu: int | None
    underlay_mtu: int
    is_encrypted: bool
    port: int


#: VXLAN's own header, with those of UDP, IPv4 and Ethernet that it needs.
_VXLAN_OVERHEAD: Final = 50

#: Part of an error -> what it means, and what mends it. The first that is found counts.
_ERRORS: Final = (
    (
        "refused",
        "no router listens at that address",
        "weave launch (there); or weave forget {address} (here), if there is to be none",
    ),
    (
        "name collision|names collision",
        "two hosts have the same peer name: their disks are copies of each other",
        "on one of them: rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup; "
        "weave reset --force; weave launch ...",
    ),
    ("connect to ourself", "that is an address of this very host", "weave forget {address}"),
    ("clock skew", "the clocks of the hosts are too far apart", "chronyc makestep, or date -s ... (there)"),
    (
        "decrypt|password|unencrypted",
        "the hosts do not have the same password",
        "weave stop; weave launch --password-file ... (the same file on all hosts)",
    ),
    (
        "Incompatible IP allocation range",
        "the hosts were launched with different --ipalloc-range",
        "weave reset; weave launch (on the odd one)",
    ),
    ("seeded by different", "two meshes that grew apart", "weave reset; weave launch (on one side)"),
    (
        "timed? ?out|unreachable|No route",
        "nothing answers at that address, or TCP port {port} is filtered",
        "ping {host}; open TCP port {port} there; or weave forget {address}",
    ),
    (
        "no such host|resolve|Name or service",
        "the name is not known",
        "weave forget {address}; weave connect <address>",
    ),
    (
        "no working forwarders",
        "neither UDP port {port} nor {data_port} passes between the hosts",
        "open UDP ports {port} and {data_port} on both hosts",
    ),
)  # fmt: skip


_MEND_MTU: Final = "weave stop; WEAVE_MTU={} weave launch ... (on all hosts); then restart containers"


def check_connections(facts: PathFacts) -> Iterator[Finding]:
    if not facts.connections:
        yield note(
            "connections.any",
            "this host is connected to no other, nor was it told of any",
            mend="weave connect <address of another host>",
        )
    for one in facts.connections:
        if one.state == "established":
            yield from _check_established(one, facts)
        elif one.state == "pending":
            yield note("connections.state", f"the connection to {one.peer or one.address} is being made")
        else:
            yield _explain(one, facts)
    yield from _check_own_mtu(facts)


def _check_established(one: ConnectionFacts, facts: PathFacts) -> Iterator[Finding]:
    overlay, mtu = one.attributes.get("name"), one.attributes.get("mtu")
    who = f"{one.peer} ({one.address})"
    reason = one.attributes.get("vxlan")
    data_port = facts.port + 1
    if overlay == "vxlan":
        yield ok("connections.state", f"{who}: vxlan, in the kernel, MTU {mtu}")
    elif overlay is None:
        yield failure(
            "connections.state",
            f"{who}: connected, but no overlay carries frames",
            why="containers of the two hosts do not reach each other",
            mend=f"open UDP ports {facts.port} and {data_port} on both hosts",
        )
    elif reason is None or (facts.is_encrypted and "encrypt" in str(reason)) or "not offer" in str(reason):
        yield ok("connections.state", f"{who}: {overlay}, MTU {mtu}{f' ({reason})' if reason else ''}")
    else:
        yield warning(
            "connections.overlay",
            f"{who}: frames go by {overlay}, as vxlan does not work: {reason}",
            why="they take several times longer, and much of a processor",
            mend=_mend_overlay(str(reason), data_port),
        )
    if (path_mtu := one.attributes.get("path_mtu")) is not None:
        is_known = isinstance(path_mtu, int)
        fitting = path_mtu if is_known else "<less>"
        carried = f"carries packets of {path_mtu} octets" if is_known else "is too narrow for packets"
        yield warning(
            "connections.mtu",
            f"{who}: the path {carried} of containers, their MTU is {mtu}",
            why="large packets are cut into pieces on the way, or get lost",
            mend=_MEND_MTU.format(fitting),
        )


def _mend_overlay(reason: str, data_port: int) -> str:
    if "--port" in reason:
        return "--port (the same on all hosts)"
    if "WEAVE_MTU" in reason:
        return _MEND_MTU.format("<less>")
    rule = f"iptables -I INPUT -p udp --dport {data_port} -j ACCEPT"
    return f"open UDP port {data_port} on both hosts, e.g. {rule}"


def _explain(one: ConnectionFacts, facts: PathFacts) -> Finding:
    host = one.address.rpartition(":")[0] or one.address
    words = {"address": one.address, "host": host, "port": facts.port, "data_port": facts.port + 1}
    seen = f"{one.address}: {one.state}" + (f": {one.info}" if one.info else "")
    for pattern, meaning, mend in _ERRORS:
        if re.search(pattern, one.info, re.IGNORECASE):
            return failure("connections.state", seen, why=meaning.format(**words), mend=mend.format(**words))
    if one.state in ("connecting", "waiting"):
        return note("connections.state", seen)
    return failure(
        "connections.state",
        seen,
        why="that host is not in the mesh",
        mend="docker logs weave (on both hosts)",
    )


def _check_own_mtu(facts: PathFacts) -> Iterator[Finding]:
    if facts.mtu is None:
        return
    needed = facts.mtu + _VXLAN_OVERHEAD
    if needed > facts.underlay_mtu:
        yield warning(
            "connections.own-mtu",
            f"the MTU {facts.mtu} needs packets of {needed} octets between hosts, the way out carries"
            f" {facts.underlay_mtu}",
            why="large packets are cut into pieces on the way, or get lost",
            mend=f"weave stop; WEAVE_MTU={facts.underlay_mtu - _VXLAN_OVERHEAD} weave launch ...",
        )
    else:
        yield ok("connections.own-mtu", f"MTU of containers {facts.mtu}, of the way out {facts.underlay_mtu}")
