"""VXLAN devices, each a port of its bridge: `weave-vxlan`, and one for each realm. Know no peer: see fdb."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host.bridge import get_bridge
from weave_cli.host.netlink import Link, explained, find_link, get_link, open_netlink, remove_link
from weave_cli.names import BRIDGE, VXLAN_DEVICE
from weave_cli.realms import SHARED_VNI

#: The kernel learns from whoever sends to the UDP port where an address is. A frame for an address that it
#: has no room for goes to all peers, as one for an unknown address does.
_MOST_ENTRIES: Final = 65_536

if TYPE_CHECKING:
    from pyroute2 import IPRoute


def ensure_vxlan(
    mac: str,
    mtu: int,
    udp_port: int,
    *,
    name: str = VXLAN_DEVICE,
    bridge: str = BRIDGE,
    vni: int = SHARED_VNI,
) -> Link:
    """The device with that MAC address, MTU and UDP port, up, an isolated port of the bridge.

    One with another UDP port or number is made anew. Raises HostProblem when the kernel knows no VXLAN, or
    another program or device has the port.
    """
    with open_netlink() as netlink:
        master = get_bridge(netlink, bridge)
        old = find_link(netlink, name)
        if old is not None and not _is_as_wanted(netlink, old, vni, udp_port):
            remove_link(netlink, old)
            old = None
        if old is None:
            _create(netlink, name, mac, mtu, vni, udp_port)
        device = get_link(netlink, name)
        with explained(f"set up the VXLAN device {name}"):
            if device.mac != mac:
                netlink.link("set", index=device.index, address=mac)
            if device.mtu != mtu:
                netlink.link("set", index=device.index, mtu=mtu)
            if device.master != master.index:
                netlink.link("set", index=device.index, master=master.index)
            # Frames from one peer never leave to another by a second overlay (architecture, section 3).
            netlink.brport("set", index=device.index, isolated=1)
        if not device.is_up:
            _bring_up(netlink, device, udp_port)
        return get_link(netlink, name)


def _is_as_wanted(netlink: IPRoute, link: Link, vni: int, udp_port: int) -> bool:
    if link.kind != "vxlan":
        return False
    with explained(f"read the VXLAN device {link.name}"):
        (message,) = netlink.link("get", index=link.index)
    data: Any = message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
    facts = tuple(data.get_attr(f"IFLA_VXLAN_{key}") for key in ("ID", "PORT", "LEARNING"))
    return facts == (vni, udp_port, 1)


def _create(netlink: IPRoute, name: str, mac: str, mtu: int, vni: int, udp_port: int) -> None:
    with explained(f"create the VXLAN device {name} on UDP port {udp_port}"):
        netlink.link(
            "add",
            ifname=name,
            kind="vxlan",
            address=mac,
            mtu=mtu,
            vxlan_id=vni,
            vxlan_port=udp_port,
            vxlan_learning=1,
            vxlan_limit=_MOST_ENTRIES,
        )


def _bring_up(netlink: IPRoute, device: Link, udp_port: int) -> None:
    """Up it opens its UDP port, so that a port in use shows here."""
    from pyroute2.netlink.exceptions import NetlinkError

    with explained(f"bring up the VXLAN device {device.name}"):
        try:
            netlink.link("set", index=device.index, state="up")
        except NetlinkError as error:
            if error.code != errno.EADDRINUSE:
                raise
            raise HostProblem(
                f"UDP port {udp_port} is taken: the VXLAN device {device.name} cannot use it",
                hint=f"See who has it with `ss -lunp sport = {udp_port}`; stop that, or choose another port.",
                code=Code.KERNEL,
            ) from error
