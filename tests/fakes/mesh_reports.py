"""Reports of a router that has met a mesh of any size and shape."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from weave_cli.reports import (
    NO_VERSION_CHECK,
    ROUND_TRIP,
    LocalConnection,
    Peer,
    Report,
    RingEntry,
)

Pair = tuple[int, int]


def name_of(number: int) -> str:
    """The name of host 1, 2, ..."""
    return f"7a:42:00:00:00:{number:02x}"


def mesh_report(
    count: int,
    *,
    missing: Collection[Pair] = (),
    pending: Collection[Pair] = (),
    one_sided: Collection[Pair] = (),
    is_line: bool = False,
    by_sleeve: Collection[int] = (),
    is_encrypted: bool = False,
    in_clear: Collection[int] = (),
    dead_targets: Iterable[str] = (),
    gone: Iterable[str] = (),
    nicknames: Mapping[int, str] | None = None,
) -> Report:
    """What host 1 of `count` says; pairs have the smaller number first. Of one-sided ones the second lags."""
    called = {number: f"host{number}" for number in range(1, count + 1)} | dict(nicknames or {})

    def are_linked(one: int, other: int) -> bool:
        pair = (min(one, other), max(one, other))
        return abs(one - other) == 1 if is_line else one != other and pair not in missing

    def is_established(one: int, other: int) -> bool:
        pair = (min(one, other), max(one, other))
        return pair not in pending and not (pair in one_sided and one > other)

    peers: list[Peer] = [
        {
            "Name": name_of(one),
            "NickName": called[one],
            "UID": one,
            "ShortID": one,
            "Version": 1,
            "Connections": [
                {
                    "Name": name_of(other),
                    "NickName": called[other],
                    "Address": f"10.0.0.{other}:6783",
                    "Outbound": one < other,
                    "Established": is_established(one, other),
                }
                for other in called
                if are_linked(one, other)
            ],
        }
        for one in called
    ]
    connections = [
        _connection(
            other,
            called[other],
            is_pending=(1, other) in pending,
            is_sleeve=other in by_sleeve,
            sealing="" if not is_encrypted else "unencrypted " if other in in_clear else "encrypted   ",
        )
        for other in called
        if are_linked(1, other)
    ]
    connections += (_dead(address) for address in dead_targets)
    entries: list[RingEntry] = [
        {
            "Token": "10.32.0.0",
            "Size": 1000,
            "Peer": "7a:42:00:00:ff:ff",
            "Nickname": nickname,
            "IsKnownPeer": False,
            "Version": 1,
        }
        for nickname in gone
    ]
    return {
        "Ready": True,
        "Version": "0.1.0",
        "VersionCheck": NO_VERSION_CHECK,
        "Router": {
            "Protocol": "weave",
            "ProtocolMinVersion": 1,
            "ProtocolMaxVersion": 2,
            "Encryption": is_encrypted,
            "PeerDiscovery": True,
            "Name": name_of(1),
            "NickName": called[1],
            "Port": 6783,
            "Peers": peers,
            "UnicastRoutes": [
                {
                    "Dest": name_of(other),
                    "Via": "00:00:00:00:00:00" if other == 1 else name_of(2 if is_line else other),
                }
                for other in called
            ],
            "BroadcastRoutes": [],
            "Connections": connections,
            "TerminationCount": 0,
            "Targets": [],
            "OverlayDiagnostics": {},
            "TrustedSubnets": [],
            "Interface": "",
            "CaptureStats": None,
            "MACs": None,
        },
        "IPAM": {
            "Paxos": None,
            "Range": "10.32.0.0/12",
            "RangeNumIPs": 1 << 20,
            "ActiveIPs": 1,
            "DefaultSubnet": "10.32.0.0/12",
            "Entries": entries,
            "PendingClaims": None,
            "PendingAllocates": None,
        },
    }


def _connection(
    number: int, nickname: str, *, is_pending: bool, is_sleeve: bool, sealing: str
) -> LocalConnection:
    who = f"{name_of(number)}({nickname})"
    overlay = "none" if is_pending else "sleeve" if is_sleeve else "vxlan"
    attributes: dict[str, str | int | bool] = {"name": overlay, "mtu": 1438 if is_sleeve else 1450}
    attributes[ROUND_TRIP] = 100 * number
    if is_sleeve:
        attributes["vxlan"] = f"no heartbeats through UDP port 6784 from {nickname} for 5 s"
    if sealing.startswith("encrypted"):
        attributes["encrypted"] = True
    return {
        "Address": f"10.0.0.{number}:6783",
        "Outbound": True,
        "State": "pending" if is_pending else "established",
        "Info": f"{sealing}{overlay:<6} {who}",
        "Attrs": None if is_pending else attributes,
    }


def _dead(address: str) -> LocalConnection:
    return {
        "Address": address,
        "Outbound": True,
        "State": "failed",
        "Info": f"dial tcp {address}: connect: connection refused, retry: never",
        "Attrs": None,
    }
