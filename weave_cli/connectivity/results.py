"""What trials gave, and on which leg of its way a packet got lost. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Probe = Literal["address", "udp", "tcp", "mtu", "multicast", "name"]
PROBES: Final[tuple[Probe, ...]] = ("address", "udp", "tcp", "mtu", "multicast", "name")

#: The way of a packet: container - bridge - our router - their router - their bridge - container. Names are
#: asked of weaveDNS, and containers are put on the network by the plugin.
Leg = Literal["plugin", "container-bridge", "router-router", "peer-router", "peer-bridge", "dns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """detail: how long it took, or what went wrong."""

    probe: Probe
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Our router's connection to a peer. overlay: None while no overlay carries frames."""

    state: str
    overlay: str | None
    reason: str = ""
    """Why it is not up, or why vxlan does not carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known beside the results of the probes.

    arp: the target's MAC address was found. local_passed: packets pass between containers of this host.
    link: None for a peer without a connection of its own. seen: packets of ours that arrived at the peer, by
    kind; None when it does not tell.
    """

    arp: bool
    local_passed: bool
    link: Link | None = None
    seen: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Where packets get lost, what speaks for that, and what to do."""

    leg: Leg
    reason: str
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """All that was tried with one other end; host: its nickname, empty for this host."""

    host: str
    address: str
    probes: tuple[ProbeResult, ...]
    loss: Loss | None = None
    notice: str = ""
    """It works, but not as it could."""


def diagnose(host: str, probes: Sequence[ProbeResult], evidence: Evidence) -> Loss | None:
    """None when everything passed. host: the peer's nickname, empty for a container of this host."""
    failed = {one.probe for one in probes if not one.passed}
    if not failed:
        return None
    if failed == {"name"}:
        return Loss(
            leg="dns",
            reason=next(one.detail for one in probes if one.probe == "name"),
            mend="weave doctor; weave dns-lookup <name>; docker logs weave",
        )
    return _diagnose_peer(host, failed, evidence) if host else _diagnose_local(failed, evidence)


def _diagnose_local(failed: set[Probe], evidence: Evidence) -> Loss:
    if "address" in failed and not evidence.arp:
        reason = "no frame passes between two containers of this host"
    elif failed & {"address", "udp", "tcp"}:
        reason = "frames pass between containers of this host, but a firewall rule of it drops IP packets"
    elif "mtu" in failed:
        reason = "packets of full size do not pass between containers of this host"
    else:
        reason = "multicast does not pass between containers of this host"
    return Loss(leg="container-bridge", reason=reason, mend="weave doctor; iptables -S FORWARD")


def _diagnose_peer(host: str, failed: set[Probe], evidence: Evidence) -> Loss:
    link = evidence.link
    basics = failed & {"address", "udp", "tcp"}
    if basics and not evidence.local_passed:
        return _diagnose_local(failed, evidence)
    if basics and link is not None and (link.state != "established" or link.overlay is None):
        reason = f"the connection to {host} carries nothing: {link.reason or link.state}"
        return Loss(leg="router-router", reason=reason, mend="weave doctor; weave status connections")
    way = _name_way(link)
    if basics:
        return _diagnose_by_what_arrived(host, way, evidence)
    if "mtu" in failed:
        return Loss(
            leg="router-router",
            reason=f"small packets pass to {host}, those of full size do not, by {way}",
            mend="weave doctor; then WEAVE_MTU=<less> weave launch ... on all hosts",
        )
    arrived = (evidence.seen or {}).get("multicast", 0)
    reason = (
        f"multicast reaches {host}, the answer gets lost" if arrived else f"multicast does not reach {host}"
    )
    return Loss(leg="router-router", reason=f"{reason}, by {way}", mend="weave doctor; docker logs weave")


def _name_way(link: Link | None) -> str:
    if link is None or link.overlay is None:
        return "way of other hosts"
    return f"overlay {link.overlay}" + (f" (vxlan: {link.reason})" if link.reason else "")


def _diagnose_by_what_arrived(host: str, way: str, evidence: Evidence) -> Loss:
    seen = evidence.seen
    if seen is None:
        return Loss(
            leg="peer-router",
            reason=f"the router of {host} does not tell what arrived there",
            mend=f"weave doctor (on {host}); docker logs weave (there)",
        )
    if not sum(seen.values()):
        reason = f"nothing of ours arrived at {host} by {way}"
        return Loss(
            leg="router-router", reason=reason, mend="weave doctor (on both hosts); weave status connections"
        )
    if not evidence.arp:
        reason = f"our frames arrived at {host}; what it answers does not come back by {way}"
        return Loss(leg="router-router", reason=reason, mend=f"weave doctor (on {host})")
    if not any(count for kind, count in seen.items() if kind != "arp"):
        reason = f"frames pass, but IP packets do not arrive at {host}: a firewall rule there drops them"
    else:
        reason = (
            f"some packets arrive at {host}, others, or its answers, do not: a firewall rule there drops them"
        )
    return Loss(
        leg="peer-bridge", reason=reason, mend=f"weave doctor (on {host}); iptables -S FORWARD (there)"
    )


def find_notice(link: Link | None) -> str:
    """What to say of a way that works, but not as it could."""
    if link is None or link.overlay in (None, "vxlan") or not link.reason or "not offer" in link.reason:
        return ""
    return f"slow, by {link.overlay}: {link.reason}"
