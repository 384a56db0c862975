"""Veth pairs between the weave bridge and a container. Knows no container: somebody else moves the guest end.

All calls are synchronous and must run in a thread without a running event loop.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weave_cli.host import netlink as links
from weave_cli.host.bridge import get_bridge
from weave_cli.host.netlink import Link, explained, find_link, open_netlink, remove_link
from weave_cli.names import BRIDGE

if TYPE_CHECKING:
    from pyroute2 import IPRoute


@dataclass(frozen=True, slots=True, kw_only=True)
class VethInfo:
    """The guest end of a new pair: its MAC address and its MTU in octets."""

    mac: str
    mtu: int


def create_endpoint_veth(
    host_name: str, guest_name: str, *, bridge: str = BRIDGE, mac: str | None = None
) -> VethInfo:
    """Make a pair whose host end is up and in the bridge, and whose guest end waits, down, in this namespace.

    Pairs left over under these names are replaced. `mac` is that of the guest end, None for one that the
    kernel draws. Raises HostProblem, and leaves nothing half-made behind, when the kernel refuses or the
    bridge is not there.
    """
    with open_netlink() as netlink:
        master = get_bridge(netlink, bridge)
        for name in (host_name, guest_name):
            old = find_link(netlink, name)
            if old is not None:
                remove_link(netlink, old)
        try:
            return _make_pair(netlink, host_name, guest_name, master, mac)
        except BaseException:
            made = find_link(netlink, host_name)
            if made is not None:
                remove_link(netlink, made)
            raise


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


def _make_pair(netlink: IPRoute, host_name: str, guest_name: str, master: Link, mac: str | None) -> VethInfo:
    peer: dict[str, str | int] = {"ifname": guest_name, "mtu": master.mtu}
    if mac is not None:
        peer["address"] = mac
    with explained(f"create the veth pair {host_name} and {guest_name}"):
        netlink.link("add", ifname=host_name, kind="veth", mtu=master.mtu, peer=peer)
        host_end = links.get_link(netlink, host_name)
        netlink.link("set", index=host_end.index, master=master.index, state="up")
    guest_end = links.get_link(netlink, guest_name)
    return VethInfo(mac=guest_end.mac, mtu=guest_end.mtu)
