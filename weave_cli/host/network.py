"""All of the host's network that is ours: brought about by the router at its start, taken down by a reset.

Calls are synchronous and take some milliseconds: a daemon makes them in a thread.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.host.bridge import ensure_bridge, read_bridge
from weave_cli.host.iptables import ensure_rules, remove_rules
from weave_cli.host.knobs import ensure_knobs
from weave_cli.host.netlink import list_links, open_netlink, remove_link
from weave_cli.host.rules import FirewallFacts
from weave_cli.host.tap import ensure_tap_port
from weave_cli.host.underlay import read_underlay_mtu
from weave_cli.host.vxlan import ensure_vxlan
from weave_cli.names import BRIDGE, TAP_DEVICE, VXLAN_DEVICE
from weave_cli.router.overlay.vxlan import VXLAN_OVERHEAD

log = logging.getLogger(__name__)

#: Container ends and host ends of the plugin's pairs (specification cli, section 2.3).
_OUR_PREFIXES: Final = ("vethwl", "vethwg")

_OUR_DEVICES: Final = ((BRIDGE, "bridge"), (VXLAN_DEVICE, "vxlan"), (TAP_DEVICE, "tun"))

_LEAST_MTU: Final = 576
_LARGEST_MTU: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkWish:
    """What the host shall have; `mtu` is that of bridge and containers in octets, None for the underlay's."""

    bridge_mac: str
    vxlan_mac: str
    udp_port: int
    mtu: int | None
    firewall: FirewallFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNetwork:
    """What the host has; indices are the kernel's, and change when a device is made anew.

    `tap_index` is None while nobody has the TAP device open.
    """

    mtu: int
    underlay_mtu: int
    bridge_index: int
    vxlan_index: int
    tap_index: int | None
    refused_knobs: tuple[str, ...]
    rules_changed: bool


def ensure_network(wish: NetworkWish) -> HostNetwork:
    """Bridge, VXLAN device, sysctls and firewall rules as wished; changes nothing where all is well.

    Raises HostProblem that names what stands in the way and what to do about it.
    """
    underlay_mtu = read_underlay_mtu()
    mtu = wish.mtu if wish.mtu is not None else min(underlay_mtu, _LARGEST_MTU) - VXLAN_OVERHEAD
    if not _LEAST_MTU <= mtu <= _LARGEST_MTU - VXLAN_OVERHEAD:
        raise HostProblem(
            f"an MTU of {mtu} octets is out of range",
            hint=f"Set WEAVE_MTU between {_LEAST_MTU} and {_LARGEST_MTU - VXLAN_OVERHEAD}.",
        )
    old = read_bridge()
    if old is not None and old.mtu > mtu:
        log.warning("the MTU goes down from %d to %d: restart the containers that run already", old.mtu, mtu)
    bridge = ensure_bridge(wish.bridge_mac, mtu)
    vxlan = ensure_vxlan(wish.vxlan_mac, mtu, wish.udp_port)
    tap = ensure_tap_port(mtu)
    refused = ensure_knobs()
    return HostNetwork(
        mtu=mtu,
        underlay_mtu=underlay_mtu,
        bridge_index=bridge.index,
        vxlan_index=vxlan.index,
        tap_index=None if tap is None else tap.index,
        refused_knobs=tuple(refused),
        rules_changed=ensure_rules(wish.firewall),
    )


def tear_down() -> list[str]:
    """Remove all of it, containers' veth pairs included; returns the names of the devices removed."""
    remove_rules()
    removed = []
    with open_netlink() as netlink:
        for link in list_links(netlink):
            is_ours = (link.name, link.kind) in _OUR_DEVICES
            if is_ours or (link.kind == "veth" and link.name.startswith(_OUR_PREFIXES)):
                if remove_link(netlink, link):
                    removed.append(link.name)
    return removed
