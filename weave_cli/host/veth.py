"""Veth pairs between the weave bridge and a container. Somebody else moves the guest end into a container.

All calls are synchronous. Making a pair is what a container that starts waits for: two requests, and no
library around them (see `veth_request`). All others must run in a thread without a running event loop.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host import netlink as links
from weave_cli.host.bridge import absence
from weave_cli.host.netlink import explained, find_link, get_link, open_netlink, refusal
from weave_cli.host.veth_request import decode_acknowledgement, encode_pair, encode_second_name
from weave_cli.names import BRIDGE

_SIOCGIFMTU: Final = 0x8921
_INTERFACE: Final = struct.Struct("=16si20x")  # of an ifreq
_ANSWER_BYTES: Final = 65_536
_ANSWER_TIMEOUT_S: Final = 5.0

_sequences = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VethInfo:
    """The guest end of a new pair: its MAC address and its MTU in octets."""

    mac: str
    mtu: int


def create_endpoint_veth(
    host_name: str,
    guest_name: str,
    *,
    bridge: str = BRIDGE,
    mac: str | None = None,
    most_mtu: int | None = None,
    second_name: str | None = None,
) -> VethInfo:
    """Make a pair whose host end is up and in the bridge, and whose guest end waits, down, in this namespace.

    Pairs left over under these names are replaced. `mac` is that of the guest end, None for a random one.
    `most_mtu`: of the pair, in octets, if the bridge's is larger. `second_name`: the guest end is found by it
    too, except on kernels that know no such thing.
    Raises HostProblem, and leaves nothing half-made behind, when the kernel refuses or the bridge is not
    there.
    """
    master, mtu = _read_bridge(bridge)
    mtu = min(mtu, most_mtu or mtu)
    octets = _random_mac() if mac is None else bytes.fromhex(mac.replace(":", ""))

    def ask() -> int:
        return _ask(
            lambda number: encode_pair(
                host_name, guest_name, master=master, mtu=mtu, mac=octets, sequence=number
            )
        )

    code = ask()
    if code == errno.EEXIST:
        for name in (host_name, guest_name):
            delete_link(name)
        code = ask()
    if code:
        raise refusal(f"create the veth pair {host_name} and {guest_name}", code)
    if second_name is not None:
        _ask(lambda number: encode_second_name(guest_name, second_name, sequence=number))
    return VethInfo(mac=octets.hex(":"), mtu=mtu)


def join_bridges(host_name: str, guest_name: str, other: str, *, bridge: str = BRIDGE) -> bool:
    """Tie another bridge to ours with a pair; False when such a pair is there already.

    Raises HostProblem, and leaves nothing behind, when there is no bridge `other` or the kernel refuses.
    """
    with open_netlink() as netlink:
        there = find_link(netlink, other)
        if there is None or there.kind != "bridge":
            raise HostProblem(
                f"there is no bridge {other}",
                hint="'ip link show type bridge' lists them.",
                code=Code.BRIDGE_MISSING,
            )
        if find_link(netlink, host_name) is not None:
            return False
        try:
            create_endpoint_veth(host_name, guest_name, bridge=bridge)
            guest = get_link(netlink, guest_name)
            with explained(f"put {guest_name} into {other}"):
                netlink.link("set", index=guest.index, master=there.index, state="up")
        except BaseException:
            delete_link(host_name)
            raise
    return True


def delete_link(name: str) -> bool:
    """Delete a pair by the name of one end; False when there is none (any more)."""
    return links.delete_link(name)


def list_links(prefix: str) -> list[str]:
    """The names, sorted, of this namespace's devices that begin with `prefix`."""
    with open_netlink() as netlink:
        return sorted(link.name for link in links.list_links(netlink) if link.name.startswith(prefix))


def is_link_present(name: str) -> bool:
    """Is there a device of that name in this namespace? Quick, and no netlink: an event loop may ask."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def _read_bridge(name: str) -> tuple[int, int]:
    """Index and MTU of the bridge; raises HostProblem when it was not made yet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = fcntl.ioctl(asked, _SIOCGIFMTU, _INTERFACE.pack(name.encode(), 0))
            return socket.if_nametoindex(name), _INTERFACE.unpack(answer)[1]
        except OSError as problem:
            raise absence(name) from problem


def _random_mac() -> bytes:
    """Of the kind that anybody may make: locally administered, of one device."""
    first, *rest = os.urandom(6)
    return bytes(((first & 0xFC) | 0x02, *rest))


def _ask(encode: Callable[[int], bytes]) -> int:
    """The errno of the kernel's answer to a request, 0 for success; encode: the request, given its number."""
    sequence = next(_sequences)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
        asked.settimeout(_ANSWER_TIMEOUT_S)
        try:
            asked.send(encode(sequence))
            while True:
                code = decode_acknowledgement(asked.recv(_ANSWER_BYTES), sequence)
                if code is not None:
                    return code
        except OSError as problem:
            raise HostProblem(
                f"cannot ask the kernel for a veth pair: {problem}", code=Code.KERNEL
            ) from problem
