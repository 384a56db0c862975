"""All devices of a namespace and their IPv4 addresses, asked of the kernel without a library for it.

That takes longer to import than a command that only asks may last. Addresses are, as in linux/if_addr.h:

    ifaddrmsg     family u8, prefix length u8, flags u8, scope u8, index u32
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from weave_cli.addresses import Cidr
from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host.netlink_layout import (
    ATTRIBUTE,
    ERROR,
    ERROR_CODE,
    HEADER,
    IFLA_ADDRESS,
    IFLA_IFNAME,
    LINK,
)

_GETLINK: Final = 18
_GETADDR: Final = 22
_DONE: Final = 3
_REQUEST_DUMP: Final = 0x301

_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2

_ADDRESS: Final = struct.Struct("=BBBBI")

_ANSWER_BYTES: Final = 65_536
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network device with its IPv4 addresses, in the kernel's order."""

    name: str
    mac: str
    addresses: tuple[Cidr, ...]


def dump_interfaces() -> list[Interface]:
    """All devices, by index, of the namespace that the calling thread is in. Raises HostProblem."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
        asked.settimeout(_TIMEOUT_S)
        try:
            links = dict(map(_read_link, _dump(asked, _GETLINK, LINK.pack(0, 0, 0, 0, 0))))
            addresses: dict[int, list[Cidr]] = {}
            for body in _dump(asked, _GETADDR, _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0)):
                index, cidr = _read_address(body)
                addresses.setdefault(index, []).append(cidr)
        except OSError as problem:
            raise HostProblem(
                f"cannot list network devices: {problem.strerror or problem}", code=Code.KERNEL
            ) from problem
    return [
        Interface(name=name, mac=mac, addresses=tuple(addresses.get(index, ())))
        for index, (name, mac) in sorted(links.items())
    ]


def _dump(asked: socket.socket, kind: int, body: bytes) -> Iterator[bytes]:
    """The bodies of the answers to a question for everything of a kind."""
    asked.send(HEADER.pack(HEADER.size + len(body), kind, _REQUEST_DUMP, kind, 0) + body)
    while True:
        for answered, text in _split(asked.recv(_ANSWER_BYTES)):
            if answered == _DONE:
                return
            if answered == ERROR:
                code = -ERROR_CODE.unpack_from(text)[0]
                raise OSError(code, os.strerror(code))
            yield text


def _split(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each message."""
    start = 0
    while start + HEADER.size <= len(datagram):
        length, kind, *_ = HEADER.unpack_from(datagram, start)
        yield kind, datagram[start + HEADER.size : start + length]
        start += max(length + -length % 4, HEADER.size)


def _attributes(octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    start = 0
    while start + ATTRIBUTE.size <= len(octets):
        length, kind = ATTRIBUTE.unpack_from(octets, start)
        found[kind] = octets[start + ATTRIBUTE.size : start + length]
        start += max(length + -length % 4, ATTRIBUTE.size)
    return found


def _read_link(body: bytes) -> tuple[int, tuple[str, str]]:
    _, _, index, _, _ = LINK.unpack_from(body)
    found = _attributes(body[LINK.size :])
    return index, (found[IFLA_IFNAME].rstrip(b"\0").decode(), found.get(IFLA_ADDRESS, b"").hex(":"))


def _read_address(body: bytes) -> tuple[int, Cidr]:
    _, prefix_len, _, _, index = _ADDRESS.unpack_from(body)
    found = _attributes(body[_ADDRESS.size :])
    # Of a point-to-point device the other is the far end's.
    octets = found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]
    return index, Cidr(int.from_bytes(octets, "big"), prefix_len)
