"""IPv4 addresses of a device: list, add, remove, and tell the neighbours. Works in the caller's namespace."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from weave_cli.addresses import Cidr, format_address, parse_address
from weave_cli.host.netlink import Link, explained

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_AF_INET: Final = 2
_ETHERTYPE_ARP: Final = 0x0806
_BROADCAST: Final = b"\xff" * 6
#: Hardware Ethernet, protocol IPv4, their lengths, and the code of a request (RFC 826).
_ARP_REQUEST: Final = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1)


def list_addresses(netlink: IPRoute, link: Link) -> list[Cidr]:
    """The addresses of the device, in the kernel's order."""
    with explained(f"list the addresses of {link.name}"):
        messages = list(netlink.addr("dump", family=_AF_INET, index=link.index))
    return [
        Cidr(
            parse_address(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")),
            message["prefixlen"],
        )
        for message in messages
        if message["index"] == link.index
    ]


def add_address(netlink: IPRoute, link: Link, cidr: Cidr) -> bool:
    """False when the device has it already."""
    return _change(netlink, "add", link, cidr, f"add address {cidr} to {link.name}", errno.EEXIST)


def remove_address(netlink: IPRoute, link: Link, cidr: Cidr) -> bool:
    """False when the device does not have it."""
    doing = f"remove address {cidr} from {link.name}"
    return _change(netlink, "delete", link, cidr, doing, errno.EADDRNOTAVAIL)


def announce(link: Link, cidrs: Iterable[Cidr]) -> None:
    """Tell whoever has talked to another owner of these addresses where they are now (gratuitous ARP).

    The device must be up. A neighbour that misses it finds out by itself, only later.
    """
    mac = bytes.fromhex(link.mac.replace(":", ""))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as opened:
        opened.bind((link.name, _ETHERTYPE_ARP))
        for cidr in cidrs:
            address = cidr.address.to_bytes(4, "big")
            body = _ARP_REQUEST + mac + address + _BROADCAST + address
            try:
                opened.send(_BROADCAST + mac + struct.pack(">H", _ETHERTYPE_ARP) + body)
            except OSError:
                return


def _change(netlink: IPRoute, verb: str, link: Link, cidr: Cidr, doing: str, harmless: int) -> bool:
    from pyroute2.netlink.exceptions import NetlinkError

    with explained(doing):
        try:
            netlink.addr(
                verb, index=link.index, address=format_address(cidr.address), prefixlen=cidr.prefix_len
            )
        except NetlinkError as error:
            if error.code != harmless:
                raise
            return False
    return True
