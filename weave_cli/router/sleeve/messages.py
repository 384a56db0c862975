"""What router and sleeve process say to each other. Pure; both ends are of one installation, so no versions.

The way: a unix socketpair of type SOCK_SEQPACKET, one message a packet, in order. Only the router opens
things: it starts

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

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from weave_cli.names import PeerName, pack_peer_name, unpack_peer_name
from weave_cli.router.overlay.roles import Carriage

#: IPv4 address in dotted form, and UDP port.
UdpAddress = tuple[str, int]

#: Room that a receiver of messages must offer.
LARGEST_MESSAGE: Final = 1 << 18

_KEY_LEN: Final = 32
_NO_ADDRESS: Final = bytes(6)
_NEIGHBOUR: Final = struct.Struct(">BQ6s6s6sHHBB32s")
_CONNECTION: Final = struct.Struct(">BQ")
_SPECIAL: Final = struct.Struct(">BQB6sI")
_PATH_MTU: Final = struct.Struct(">BQI")
_PEER: Final = struct.Struct(">B6s")
_MAC: Final = struct.Struct(">B6s6sI")
_LOST_MAC: Final = struct.Struct(">B6sI")
_REALM: Final = struct.Struct(">BI")

# Bits of SetNeighbour
_IS_SEALED: Final = 1
_IS_INITIATOR: Final = 2
_FRAGMENTS_PASS: Final = 4


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


def encode_message(message: Message) -> bytes:
    """The packet for the socketpair."""
    match message:
        case SetNeighbour():
            return _encode_neighbour(message)
        case ForgetNeighbour(conn_id=conn_id):
            return _CONNECTION.pack(2, conn_id)
        case SetRoutes(unicast=unicast, broadcast=broadcast):
            pairs = b"".join(pack_peer_name(name) + pack_peer_name(hop) for name, hop in unicast.items())
            return struct.pack(">BI", 3, len(unicast)) + pairs + _pack_names(broadcast)
        case SetBroadcast(source=source, next_hops=next_hops):
            return _PEER.pack(4, pack_peer_name(source)) + _pack_names(next_hops)
        case SendSpecial(conn_id=conn_id, frame=frame, dont_fragment=dont_fragment):
            return _encode_special(5, conn_id, dont_fragment, _NO_ADDRESS, frame)
        case SpecialReceived(conn_id=conn_id, address=address, frame=frame):
            return _encode_special(6, conn_id, False, pack_udp_address(address), frame)
        case PathMtuFound(conn_id=conn_id, path_mtu=path_mtu):
            return _PATH_MTU.pack(7, conn_id, path_mtu)
        case SendRefused(conn_id=conn_id, reason=reason):
            return _CONNECTION.pack(8, conn_id) + reason.encode()
        case BroadcastWanted(source=source):
            return _PEER.pack(9, pack_peer_name(source))
        case MacLearned(mac=mac, peer=peer, vni=vni):
            return _MAC.pack(10, mac, pack_peer_name(peer), vni)
        case MacForgotten(mac=mac, vni=vni):
            return _LOST_MAC.pack(11, mac, vni)
        case SetRealm(vni=vni, members=members):
            return _REALM.pack(12, vni) + _pack_names(tuple(sorted(members)))
        case ForgetRealm(vni=vni):
            return _REALM.pack(13, vni)


def decode_message(packet: bytes) -> Message:
    """The message in a packet of the other end, which is us again: a wrong one raises ValueError."""
    try:
        return _decode(packet)
    except (struct.error, IndexError) as problem:
        raise ValueError(f"no message between router and sleeve process: {packet[:32].hex()}") from problem


def _decode(packet: bytes) -> Message:
    match packet[0]:
        case 1:
            return _decode_neighbour(packet)
        case 2:
            return ForgetNeighbour(conn_id=_CONNECTION.unpack(packet)[1])
        case 3:
            (count,) = struct.unpack_from(">I", packet, 1)
            names = _unpack_names(packet[5:])
            unicast = dict(zip(names[0 : 2 * count : 2], names[1 : 2 * count : 2], strict=True))
            return SetRoutes(unicast=unicast, broadcast=names[2 * count :])
        case 4:
            return SetBroadcast(source=unpack_peer_name(packet[1:7]), next_hops=_unpack_names(packet[7:]))
        case 5:
            _, conn_id, dont_fragment, _, size = _SPECIAL.unpack_from(packet)
            frame = packet[_SPECIAL.size :].ljust(size, b"\0")
            return SendSpecial(conn_id=conn_id, frame=frame, dont_fragment=bool(dont_fragment))
        case 6:
            _, conn_id, _, address, size = _SPECIAL.unpack_from(packet)
            frame = packet[_SPECIAL.size :].ljust(size, b"\0")
            return SpecialReceived(conn_id=conn_id, address=unpack_udp_address(address), frame=frame)
        case 7:
            _, conn_id, path_mtu = _PATH_MTU.unpack(packet)
            return PathMtuFound(conn_id=conn_id, path_mtu=path_mtu)
        case 8:
            _, conn_id = _CONNECTION.unpack_from(packet)
            return SendRefused(conn_id=conn_id, reason=packet[_CONNECTION.size :].decode())
        case 9:
            return BroadcastWanted(source=unpack_peer_name(_PEER.unpack(packet)[1]))
        case 10:
            _, mac, peer, vni = _MAC.unpack(packet)
            return MacLearned(mac=mac, peer=unpack_peer_name(peer), vni=vni)
        case 11:
            _, mac, vni = _LOST_MAC.unpack(packet)
            return MacForgotten(mac=mac, vni=vni)
        case 12:
            members = _unpack_names(packet[_REALM.size :])
            return SetRealm(vni=_REALM.unpack_from(packet)[1], members=frozenset(members))
        case 13:
            return ForgetRealm(vni=_REALM.unpack(packet)[1])
        case kind:
            raise ValueError(f"no message between router and sleeve process begins with {kind}")


def pack_udp_address(address: UdpAddress) -> bytes:
    """Six octets: IPv4 address, port."""
    return bytes(int(part) for part in address[0].split(".")) + address[1].to_bytes(2, "big")


def unpack_udp_address(octets: bytes) -> UdpAddress:
    """The address in six octets."""
    return ".".join(str(octet) for octet in octets[:4]), int.from_bytes(octets[4:6], "big")


def _encode_neighbour(message: SetNeighbour) -> bytes:
    bits = (
        _IS_SEALED * (message.session_key is not None)
        | _IS_INITIATOR * message.is_initiator
        | _FRAGMENTS_PASS * message.fragments_pass
    )
    return _NEIGHBOUR.pack(
        1,
        message.conn_id,
        pack_peer_name(message.name),
        _pack_address(message.address),
        _pack_address(message.vxlan_address),
        message.mtu,
        message.max_payload,
        bits,
        message.carriage,
        message.session_key or bytes(_KEY_LEN),
    )


def _decode_neighbour(packet: bytes) -> SetNeighbour:
    fields = _NEIGHBOUR.unpack(packet)
    _, conn_id, name, address, vxlan_address, mtu, max_payload, bits, carriage, key = fields
    return SetNeighbour(
        conn_id=conn_id,
        name=unpack_peer_name(name),
        address=_unpack_address(address),
        session_key=key if bits & _IS_SEALED else None,
        is_initiator=bool(bits & _IS_INITIATOR),
        mtu=mtu,
        max_payload=max_payload,
        fragments_pass=bool(bits & _FRAGMENTS_PASS),
        carriage=Carriage(carriage),
        vxlan_address=_unpack_address(vxlan_address),
    )


def _pack_address(address: UdpAddress | None) -> bytes:
    return _NO_ADDRESS if address is None else pack_udp_address(address)


def _unpack_address(octets: bytes) -> UdpAddress | None:
    return None if octets == _NO_ADDRESS else unpack_udp_address(octets)


def _encode_special(kind: int, conn_id: int, flag: bool, address: bytes, frame: bytes) -> bytes:
    """Special frames are up to 60,001 octets, and zeros: those at the end are only counted."""
    return _SPECIAL.pack(kind, conn_id, flag, address, len(frame)) + frame.rstrip(b"\0")


def _pack_names(names: tuple[PeerName, ...]) -> bytes:
    return b"".join(map(pack_peer_name, names))


def _unpack_names(octets: bytes) -> tuple[PeerName, ...]:
    if len(octets) % 6:
        raise ValueError(f"{len(octets)} octets are no list of peer names")
    return tuple(unpack_peer_name(octets[start : start + 6]) for start in range(0, len(octets), 6))
