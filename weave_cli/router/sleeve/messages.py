"""What router and sleeve process say to each other. Pure; message_codec.py makes octets of it.

Both ends are of one installation, so there are no versions. The way: a unix socketpair of type
SOCK_SEQPACKET, one message a packet, in order. Only the router opens things: it starts

    python -m weave_cli.router.sleeve --name PEER --tap FD --udp FD --control FD [--log-level LEVEL]

with three inherited descriptors:

    tap      /dev/net/tun attached with IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
    udp      a UDP socket, IPv4, bound to the mesh port, nobody else reads it; options are the process's own
    control  the process's end of the socketpair

The process sets all three to non-blocking and needs no privilege; with CAP_NET_ADMIN the buffers of the UDP
socket may be larger than the system's limit. When the router's end closes it exits with
status 0, and with another one when the TAP device is gone (made anew, for one). It logs to its standard
error. When it ends by itself the router starts another one and tells it everything again, except sealed
neighbours: their counters and replay windows died with the process, and a session key that is used from
number 0 again has lost its secrecy. End those connections; they come back with new keys.

What the router says:

    SetNeighbour     a connection's sleeve, at its start and whenever anything about it changes. `conn_id`
                     names it: as long as it stays the same, counters and replay windows go on. Of two
                     connections to one peer the one told of last is used.
    ForgetNeighbour  the connection is over
    SetRoutes        the tables after a change; answers to BroadcastWanted that were given before are void
    SetBroadcast     the answer to BroadcastWanted (specification mesh, 13.3)
    SendSpecial      a special frame of SleeveConnection, to be sent now
    SetRealm         a realm of this host, and the peers that have it, too. The first time the packet carries
                     the descriptor of its TAP device, which is of the same kind as `tap`; another descriptor
                     later replaces that
    ForgetRealm      this host has it no more; unknown ones are ignored

What the process says:

    SpecialReceived  a special frame from the neighbour; its sequence number was new, its peers were right
    PathMtuFound     the kernel refused a packet: the path carries IP packets of so many octets. Told once for
                     each number, and again after the next SetNeighbour
    SendRefused      the kernel refused to send for another reason (no route to host, a firewall)
    BroadcastWanted  frames of `source` wait for its next hops; asked once until the next SetRoutes
    MacLearned       this MAC is at that peer, not at us; again when it moves. `vni` 0: in the shared network
    MacForgotten     it expired, moved to us, or its peer is gone

A peer that SetRoutes does not reach is unknown: frames from or for it are dropped, its MACs forgotten.

Limits: a packet of the socketpair holds some 200 kB, hence 17,000 routes. The router's end should be
non-blocking, with what does not fit kept and sent later; the process reads before it does anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.overlay.roles import Carriage

#: IPv4 address in dotted form, and UDP port.
UdpAddress = tuple[str, int]

#: Room that a receiver of messages must offer.
LARGEST_MESSAGE: Final = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNeighbour:
    """How to send to a neighbour by sleeve.

    `address` None: not known yet, nothing can be sent. `session_key`: 32 octets, None for plain packets.
    `mtu`, `max_payload`, `fragments_pass`: what SleeveConnection found (specification overlay, 3.3, 3.2).
    `carriage`: what the kernel's VXLAN carries from here to there; `vxlan_address`: of the neighbour's VXLAN
    device, None unless something is carried.
    """

    conn_id: int
    name: PeerName
    address: UdpAddress | None
    session_key: bytes | None = field(repr=False)
    is_initiator: bool
    mtu: int
    max_payload: int
    fragments_pass: bool
    carriage: Carriage = Carriage.NOTHING
    vxlan_address: UdpAddress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetNeighbour:
    """The connection is over; unknown ones are ignored."""

    conn_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoutes:
    """Next hops to every reachable peer but ourselves, and the neighbours that get our own broadcasts."""

    unicast: Mapping[PeerName, PeerName]
    broadcast: tuple[PeerName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetBroadcast:
    """The neighbours to which broadcasts of `source` are relayed."""

    source: PeerName
    next_hops: tuple[PeerName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSpecial:
    """A special frame (specification overlay, 2.4) to send in the DF stream, or in the other one."""

    conn_id: int
    frame: bytes
    dont_fragment: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRealm:
    """A realm by its number, and the peers that get its frames, without us."""

    vni: int
    members: frozenset[PeerName]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetRealm:
    """This host has the realm no more."""

    vni: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialReceived:
    """A special frame arrived from this UDP address."""

    conn_id: int
    address: UdpAddress
    frame: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMtuFound:
    """The path carries IP packets of at most so many octets."""

    conn_id: int
    path_mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRefused:
    """The kernel's words about a packet that it would not send."""

    conn_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastWanted:
    """Broadcasts of `source` arrived; where do they go from here?"""

    source: PeerName


@dataclass(frozen=True, slots=True, kw_only=True)
class MacLearned:
    """A MAC address, six octets, and the peer behind which it is."""

    mac: bytes
    peer: PeerName
    vni: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MacForgotten:
    """The MAC address is behind no other peer any more, as far as we know."""

    mac: bytes
    vni: int = 0


ToProcess = SetNeighbour | ForgetNeighbour | SetRoutes | SetBroadcast | SendSpecial | SetRealm | ForgetRealm
ToRouter = SpecialReceived | PathMtuFound | SendRefused | BroadcastWanted | MacLearned | MacForgotten
Message = ToProcess | ToRouter
