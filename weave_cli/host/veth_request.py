"""The netlink requests that make an endpoint's pair of devices, as octets. Pure: no socket.

A library for netlink asks and answers attribute by attribute, and takes 3 ms for what the kernel does in half
of one; a container that starts waits for it. RTM_NEWLINK and RTM_NEWLINKPROP as in linux/rtnetlink.h,
if_link.h and veth.h.
"""

from __future__ import annotations

import struct
from typing import Final

from weave_cli.host.netlink_layout import (
    ATTRIBUTE,
    ERROR,
    ERROR_CODE,
    HEADER,
    IFLA_ADDRESS,
    IFLA_IFNAME,
    LINK,
)

_NEWLINK: Final = 16
_NEWLINKPROP: Final = 108
_REQUEST: Final = 0x001
_ACKNOWLEDGE: Final = 0x004
_EXCLUSIVE: Final = 0x200
_CREATE: Final = 0x400

_IFLA_MTU: Final = 4
_IFLA_MASTER: Final = 10
_IFLA_LINKINFO: Final = 18
_IFLA_PROP_LIST: Final = 52
_IFLA_ALT_IFNAME: Final = 53
_IFLA_INFO_KIND: Final = 1
_IFLA_INFO_DATA: Final = 2
_VETH_INFO_PEER: Final = 1
_NESTED: Final = 0x8000

_IFF_UP: Final = 1

_U32: Final = struct.Struct("=I")


def encode_pair(
    host_name: str, guest_name: str, *, master: int, mtu: int, mac: bytes, sequence: int
) -> bytes:
    """Make a pair: its host end up and in the bridge of index `master`, its guest end down, with that MAC."""
    guest = (
        LINK.pack(0, 0, 0, 0, 0)
        + _attribute(IFLA_IFNAME, _text(guest_name))
        + _attribute(_IFLA_MTU, _U32.pack(mtu))
        + _attribute(IFLA_ADDRESS, mac)
    )
    kind = _attribute(_IFLA_INFO_KIND, _text("veth"))
    data = _attribute(_IFLA_INFO_DATA | _NESTED, _attribute(_VETH_INFO_PEER | _NESTED, guest))
    body = (
        LINK.pack(0, 0, 0, _IFF_UP, _IFF_UP)
        + _attribute(IFLA_IFNAME, _text(host_name))
        + _attribute(_IFLA_MTU, _U32.pack(mtu))
        + _attribute(_IFLA_MASTER, _U32.pack(master))
        + _attribute(_IFLA_LINKINFO | _NESTED, kind + data)
    )
    return _request(_NEWLINK, body, sequence)


def encode_second_name(name: str, second: str, *, sequence: int) -> bytes:
    """Let a device be found by another name too; kernels before 5.5 refuse."""
    names = _attribute(_IFLA_PROP_LIST | _NESTED, _attribute(_IFLA_ALT_IFNAME, _text(second)))
    body = LINK.pack(0, 0, 0, 0, 0) + _attribute(IFLA_IFNAME, _text(name)) + names
    return _request(_NEWLINKPROP, body, sequence)


def decode_acknowledgement(datagram: bytes, sequence: int) -> int | None:
    """The errno of the kernel's answer to a request, 0 for success; None: an answer to something else."""
    if len(datagram) < HEADER.size + ERROR_CODE.size:
        return None
    _, kind, _, answered, _ = HEADER.unpack_from(datagram)
    if kind != ERROR or answered != sequence:
        return None
    code: int = ERROR_CODE.unpack_from(datagram, HEADER.size)[0]
    return -code


def _request(kind: int, body: bytes, sequence: int) -> bytes:
    flags = _REQUEST | _ACKNOWLEDGE | _CREATE | _EXCLUSIVE
    return HEADER.pack(HEADER.size + len(body), kind, flags, sequence, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    padding = bytes(-len(value) % 4)
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + padding


def _text(name: str) -> bytes:
    return name.encode() + b"\0"
