"""The router's report as typed JSON: what `GET /report` answers (specification http-api, section 6).

Key names and their order are the Go routers', because scripts read them. A leaf: knows no room.
"""

from __future__ import annotations

from typing import Any, Final, NotRequired, TypedDict


class VersionCheck(TypedDict):
    """We never ask anybody whether a newer version exists; scripts look for these keys all the same."""

    Enabled: bool
    Success: bool
    NewVersion: str
    NextCheckAt: str


class PeerConnection(TypedDict):
    """A connection as its owner describes it to the mesh."""

    Name: str
    NickName: str
    Address: str
    Outbound: bool
    Established: bool


class Peer(TypedDict):
    """A peer that we know, ourselves included."""

    Name: str
    NickName: str
    UID: int
    ShortID: int
    Version: int
    Connections: list[PeerConnection] | None


class UnicastRoute(TypedDict):
    """The next hop towards a peer; `00:00:00:00:00:00` for ourselves."""

    Dest: str
    Via: str


class BroadcastRoute(TypedDict):
    """The neighbours to whom we pass on what a peer broadcasts."""

    Source: str
    Via: list[str] | None


class LocalConnection(TypedDict):
    """One of our connections, or a target that we have no connection to.

    State: established, pending; for targets waiting, failed, connecting, retrying.
    Info: overlay and peer, or the error and the time of the next try.
    Attrs: what the overlay tells of itself (name, mtu in octets), and ROUND_TRIP.
    """

    Address: str
    Outbound: bool
    State: str
    Info: str
    Attrs: dict[str, str | int | bool] | None


class MacHome(TypedDict):
    """A MAC address that overlay sleeve found at a peer."""

    Mac: str
    Name: str
    NickName: str
    LastSeen: str


class Router(TypedDict):
    """The mesh part of a report."""

    Protocol: str
    ProtocolMinVersion: int
    ProtocolMaxVersion: int
    Encryption: bool
    PeerDiscovery: bool
    Name: str
    NickName: str
    Port: int
    Peers: list[Peer]
    UnicastRoutes: list[UnicastRoute]
    BroadcastRoutes: list[BroadcastRoute]
    Connections: list[LocalConnection]
    TerminationCount: int
    Targets: list[str] | None
    OverlayDiagnostics: dict[str, Any]
    TrustedSubnets: list[str]
    Interface: str
    CaptureStats: None
    MACs: list[MacHome] | None


class Paxos(TypedDict):
    """The election that we wait for."""

    Elector: bool
    KnownNodes: int
    Quorum: int


class RingEntry(TypedDict):
    """A stretch of addresses and its owner."""

    Token: str
    Size: int
    Peer: str
    Nickname: str
    IsKnownPeer: bool
    Version: int


class PendingCidr(TypedDict):
    """An address as the Go routers spell it inside a pending claim."""

    Addr: str
    PrefixLen: int


class PendingClaim(TypedDict):
    """A claim that waits for the ring or for another peer."""

    Ident: str
    CIDR: PendingCidr


class Ipam(TypedDict):
    """The allocator's part of a report."""

    Paxos: Paxos | None
    Range: str
    RangeNumIPs: int
    ActiveIPs: int
    DefaultSubnet: str
    Entries: list[RingEntry] | None
    PendingClaims: list[PendingClaim] | None
    PendingAllocates: list[str] | None


class DnsEntry(TypedDict):
    """A name record, tombstones included."""

    Hostname: str
    Origin: str
    ContainerID: str
    Address: str
    Version: int
    Tombstone: int


class Dns(TypedDict):
    """weaveDNS's part of a report."""

    Domain: str
    Upstream: list[str]
    Address: str
    TTL: int
    Entries: list[DnsEntry] | None


class Report(TypedDict):
    """All of it; IPAM and DNS are left out when they are switched off."""

    Ready: bool
    Version: str
    VersionCheck: VersionCheck
    Router: Router
    IPAM: NotRequired[Ipam]
    DNS: NotRequired[Dns]


#: Key in Attrs, which Go routers do not have: microseconds that a packet takes to the peer and back.
ROUND_TRIP: Final = "rtt_us"

NO_VERSION_CHECK: VersionCheck = {
    "Enabled": False,
    "Success": False,
    "NewVersion": "",
    "NextCheckAt": "0001-01-01T00:00:00Z",
}
