"""All of the host's network that is ours: brought about by the router at its start, taken down by a reset.

Calls are synchronous and take some milliseconds: a daemon makes them in a thread.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host.bridge import ensure_bridge, read_bridge
from weave_cli.host.exposure import ensure_exposed
from weave_cli.host.identity import choose_peer_name
from weave_cli.host.iptables import ensure_rules, remove_rules
from weave_cli.host.knobs import ensure_knobs
from weave_cli.host.netlink import Link, list_links, open_netlink, remove_link
from weave_cli.host.rules import FirewallFacts
from weave_cli.host.tap import ensure_tap_port
from weave_cli.host.underlay import read_underlay_mtu
from weave_cli.host.vxlan import ensure_vxlan
from weave_cli.names import BRIDGE, TAP_DEVICE, VXLAN_DEVICE
from weave_cli.realms import BRIDGE_PREFIX, TAP_PREFIX, VXLAN_PREFIX
from weave_cli.router.overlay.device_macs import bridge_mac
from weave_cli.router.overlay.vxlan import VXLAN_OVERHEAD

log = logging.getLogger(__name__)

#: Both ends of pairs of the plugin, `attach` and `attach-bridge` (specification cli, section 2.3).
_OUR_PREFIXES: Final = ("vethwl", "vethwg", "vethwep", "vethweb")

_OUR_DEVICES: Final = ((BRIDGE, "bridge"), (VXLAN_DEVICE, "vxlan"), (TAP_DEVICE, "tun"))

_REALM_PREFIXES: Final = (BRIDGE_PREFIX, VXLAN_PREFIX, TAP_PREFIX)

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
    """Its exposures are also the addresses that the bridge shall have."""


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
    mtu = _choose_mtu(wish.mtu, underlay_mtu)
    old = read_bridge()
    if old is not None and old.mtu > mtu:
        log.warning("the MTU goes down from %d to %d: restart the containers that run already", old.mtu, mtu)
    bridge = ensure_bridge(wish.bridge_mac, mtu)
    vxlan = ensure_vxlan(wish.vxlan_mac, mtu, wish.udp_port)
    tap = ensure_tap_port(mtu)
    refused = ensure_knobs()
    ensure_exposed(exposure.cidr for exposure in wish.firewall.exposures)
    return HostNetwork(
        mtu=mtu,
        underlay_mtu=underlay_mtu,
        bridge_index=bridge.index,
        vxlan_index=vxlan.index,
        tap_index=None if tap is None else tap.index,
        refused_knobs=tuple(refused),
        rules_changed=ensure_rules(wish.firewall),
    )


def prepare_bridge(mtu: int | None, firewall: FirewallFacts) -> None:
    """A bridge to attach containers to before there has been a router; one that is there is left alone.

    The router completes it, with its VXLAN device and its own MAC address.
    """
    if read_bridge() is None:
        name = choose_peer_name(random.SystemRandom())
        ensure_bridge(bridge_mac(name), _choose_mtu(mtu, read_underlay_mtu()))
        ensure_knobs()
        ensure_rules(firewall)


def _choose_mtu(wanted: int | None, underlay_mtu: int) -> int:
    mtu = wanted if wanted is not None else min(underlay_mtu, _LARGEST_MTU) - VXLAN_OVERHEAD
    if not _LEAST_MTU <= mtu <= _LARGEST_MTU - VXLAN_OVERHEAD:
        raise HostProblem(
            f"an MTU of {mtu} octets is out of range",
            hint=f"Set WEAVE_MTU between {_LEAST_MTU} and {_LARGEST_MTU - VXLAN_OVERHEAD}.",
            code=Code.BAD_SETTING,
        )
    return mtu


def tear_down() -> list[str]:
    """Remove all of it, containers' veth pairs included; returns the names of the devices removed."""
    remove_rules()
    with open_netlink() as netlink:
        return [link.name for link in list_links(netlink) if _is_ours(link) and remove_link(netlink, link)]


def list_our_devices() -> list[str]:
    """The names of those that `tear_down` removes."""
    with open_netlink() as netlink:
        return [link.name for link in list_links(netlink) if _is_ours(link)]


def _is_ours(link: Link) -> bool:
    is_named = (link.name, link.kind) in _OUR_DEVICES or link.name.startswith(_REALM_PREFIXES)
    return is_named or (link.kind == "veth" and link.name.startswith(_OUR_PREFIXES))
