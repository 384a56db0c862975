"""A report as the words that `weave status` prints (specification http-api, section 5). Pure.

Scripts parse these lines: widths, order and words are the Go routers'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from weave_cli.report_states import CONNECTION_STATES, RingState, find_ring_state, list_owners, living_names
from weave_cli.reports import ROUND_TRIP, Dns, Ipam, LocalConnection, Report


class NoSuchPage(Exception):
    """The part of the router that a page tells of is switched off."""


def overview(report: Report) -> str:
    """`/status`: one block per service."""
    blocks = [_lines(("Version", report["Version"])), _router_block(report)]
    if "IPAM" in report:
        ipam = report["IPAM"]
        blocks.append(
            _lines(
                ("Service", "ipam"),
                ("Status", _ipam_state(ipam)),
                ("Range", ipam["Range"]),
                ("DefaultSubnet", ipam["DefaultSubnet"]),
            )
        )
    if "DNS" in report:
        dns = report["DNS"]
        blocks.append(
            _lines(
                ("Service", "dns"),
                ("Domain", dns["Domain"]),
                ("Upstream", ", ".join(dns["Upstream"]) or "none"),
                ("TTL", dns["TTL"]),
                ("Entries", sum(1 for _ in living_names(dns))),
            )
        )
    return "\n".join(blocks)


def targets(report: Report) -> str:
    """`/status/targets`: the direct targets, as the user wrote them."""
    return "".join(f"{target}\n" for target in report["Router"]["Targets"] or ())


def connections(report: Report) -> str:
    """`/status/connections`: our connections, then targets without one."""
    return "".join(_connection_line(one) for one in report["Router"]["Connections"])


def peers(report: Report) -> str:
    """`/status/peers`: every known peer with the connections that it told of."""
    lines = []
    for peer in report["Router"]["Peers"]:
        lines.append(f"{peer['Name']}({peer['NickName']})")
        for one in peer["Connections"] or ():
            who = f"{one['Name']}({one['NickName']})"
            state = "established" if one["Established"] else "pending"
            lines.append(f"   {_arrow(one['Outbound'])} {one['Address']:<21} {who:<37} {state}")
    return "".join(f"{line}\n" for line in lines)


def dns(report: Report) -> str:
    """`/status/dns`: living names, without the domain."""
    part = _dns(report)
    suffix = f".{part['Domain']}"
    return "".join(
        f"{entry['Hostname'].removesuffix(suffix):<12} {entry['Address']:<15} "
        f"{entry['ContainerID'][:12]:>12} {entry['Origin']}\n"
        for entry in living_names(part)
    )


def ipam(report: Report) -> str:
    """`/status/ipam`: how much of the range each peer owns, ourselves first; empty without a ring."""
    if "IPAM" not in report:
        raise NoSuchPage("ipam")
    part = report["IPAM"]
    own_name = report["Router"]["Name"]
    lines = []
    for one in list_owners(part, own_name):
        share = f"{one.size / part['RangeNumIPs'] * 100:04.1f}"
        note = (
            f"({part['ActiveIPs']} active)"
            if one.name == own_name
            else ""
            if one.is_reachable
            else "- unreachable!"
        )
        lines.append(f"{f'{one.name}({one.nickname})':<37} {one.size:>8} IPs ({share}% of total) {note}\n")
    return "".join(lines)


def _router_block(report: Report) -> str:
    router = report["Router"]
    low, high = router["ProtocolMinVersion"], router["ProtocolMaxVersion"]
    established = Counter(one["Established"] for peer in router["Peers"] for one in peer["Connections"] or ())
    links = _counts([("established", established[True]), ("pending", established[False])])
    states = Counter(one["State"] for one in router["Connections"])
    by_state = _counts((state, states[state]) for state in CONNECTION_STATES)
    return _lines(
        ("Service", "router"),
        ("Protocol", f"{router['Protocol']} {low}" + (f"..{high}" if high != low else "")),
        ("Name", f"{router['Name']}({router['NickName']})"),
        ("Encryption", "enabled" if router["Encryption"] else "disabled"),
        ("PeerDiscovery", "enabled" if router["PeerDiscovery"] else "disabled"),
        ("Targets", len(router["Targets"] or ())),
        ("Connections", f"{len(router['Connections'])}" + (f" ({by_state})" if by_state else "")),
        ("Peers", f"{len(router['Peers'])}" + (f" (with {links} connections)" if links else "")),
        ("TrustedSubnets", ", ".join(router["TrustedSubnets"]) or "none"),
    )


def _ipam_state(ipam: Ipam) -> str:
    """The state in the words that scripts know (section 5.1)."""
    match find_ring_state(ipam):
        case RingState.UNREACHABLE:
            return "all IP ranges owned by unreachable peers - use 'rmpeer' if they are dead"
        case RingState.WAITING:
            return "waiting for IP(s) to become available"
        case RingState.AWAITING_CONSENSUS if paxos := ipam["Paxos"]:
            return f"awaiting consensus (quorum: {paxos['Quorum']}, known: {paxos['KnownNodes']})"
        case state:
            return str(state)


def _connection_line(one: LocalConnection) -> str:
    # The round trip is another one each time: who compares this page with the last one looks for changes.
    untold = ("name", ROUND_TRIP)
    attributes = {key: value for key, value in (one["Attrs"] or {}).items() if key not in untold}
    text = " ".join(f"{key}={_word(value)}" for key, value in sorted(attributes.items()))
    return f"{_arrow(one['Outbound'])} {one['Address']:<21} {one['State']:<11} {one['Info']} {text}\n"


def _word(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _arrow(outbound: bool) -> str:
    return "->" if outbound else "<-"


def _counts(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {word}" for word, count in pairs if count)


def _lines(*pairs: tuple[str, object]) -> str:
    return "".join(f"{label:>15}: {value}\n" for label, value in pairs)


def _dns(report: Report) -> Dns:
    if "DNS" not in report:
        raise NoSuchPage("dns")
    return report["DNS"]
