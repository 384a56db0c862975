"""The devices of realms on this host: a bridge and a VXLAN device each, TAP devices are tap's affair.

The host itself has no part in a realm: no address on its bridge, no answer to questions about others. Whose
number it is, is written on the bridge (its alias), so that a router which starts anew finds its realms.
All calls are synchronous and speak netlink.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from weave_cli.errors import HostProblem
from weave_cli.host.bridge import ensure_bridge
from weave_cli.host.knobs import set_knobs
from weave_cli.host.netlink import explained, find_link, list_links, open_netlink, remove_link
from weave_cli.host.vxlan import ensure_vxlan
from weave_cli.realms import Realm, parse_bridge_name


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentRealm:
    """A realm that this host has; `guests`: how many containers' devices are in its bridge."""

    realm: Realm
    guests: int


def ensure_realm(realm: Realm, macs: tuple[str, str], mtu: int, udp_port: int) -> bool:
    """Bridge and VXLAN device of the realm, up; False when they were there already.

    `macs`: those of bridge and VXLAN device. Raises HostProblem when the number is another network's here,
    or the kernel refuses.
    """
    with open_netlink() as netlink:
        bridge = find_link(netlink, realm.bridge)
        had_device = find_link(netlink, realm.vxlan) is not None
    key = "" if bridge is None else bridge.alias
    if key not in ("", realm.key):
        raise HostProblem(
            f"network {realm.key} would have the same number {realm.vni:06x} as network {key}",
            hint="Remove one of them and make it again: it gets another id, and so another number.",
        )
    index = ensure_bridge(macs[0], mtu, name=realm.bridge).index
    if key != realm.key:
        with open_netlink() as netlink, explained(f"name the bridge {realm.bridge}"):
            netlink.link("set", index=index, ifalias=realm.key)
    ensure_vxlan(macs[1], mtu, udp_port, name=realm.vxlan, bridge=realm.bridge, vni=realm.vni)
    ensure_realm_knobs(realm)
    return bridge is not None and had_device


def list_realms() -> list[PresentRealm]:
    """The realms of this host, by number; half-made ones, which have no key yet, are left out."""
    with open_netlink() as netlink:
        links = list_links(netlink)
    found = []
    for link in links:
        vni = parse_bridge_name(link.name) if link.kind == "bridge" else None
        if vni is not None and link.alias:
            guests = sum(port.master == link.index and port.kind == "veth" for port in links)
            found.append(PresentRealm(realm=Realm(vni, link.alias), guests=guests))
    return sorted(found, key=lambda one: one.realm)


def remove_realm(realm: Realm) -> bool:
    """Take the devices away, unless a container is in the bridge; False when there was one, or nothing."""
    with open_netlink() as netlink:
        bridge = find_link(netlink, realm.bridge)
        if bridge is None:
            return False
        if any(link.master == bridge.index and link.kind == "veth" for link in list_links(netlink)):
            return False
        vxlan = find_link(netlink, realm.vxlan)
        if vxlan is not None:
            remove_link(netlink, vxlan)
        return remove_link(netlink, bridge)


def ensure_realm_knobs(realm: Realm, *, root: Path | None = None) -> list[str]:
    """Set what keeps the host out of the realm; returns the refused ones."""
    wanted = {f"ipv6/conf/{device}/disable_ipv6": "1" for device in (realm.bridge, realm.vxlan, realm.tap)}
    # Answer for none of the host's addresses: containers could find out which it has.
    wanted[f"ipv4/conf/{realm.bridge}/arp_ignore"] = "8"
    wanted[f"ipv4/conf/{realm.bridge}/forwarding"] = "0"
    return set_knobs(wanted, root=root)
