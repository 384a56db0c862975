"""How large the packets between hosts may be, before any peer is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from weave_cli.host.netlink import Link, explained, find_link, list_names, open_netlink
from weave_cli.names import BRIDGE, DOCKER_BRIDGE, DOCKER_GATEWAY_BRIDGE, TAP_DEVICE, VXLAN_DEVICE

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_AF_INET = 2
_MAIN_TABLE = 254
_USUAL_MTU: Final = 1500

#: Devices that lead to containers, not to other hosts; Docker's user-defined bridges begin with `br-`.
_INNER: Final = (BRIDGE, VXLAN_DEVICE, TAP_DEVICE, DOCKER_BRIDGE, DOCKER_GATEWAY_BRIDGE)
_INNER_PREFIXES: Final = ("br-", "veth", "docker")


def read_underlay_mtu() -> int:
    """MTU, in octets, of the default route's device; else the smallest of the devices that may lead out."""
    names = list_names()
    with open_netlink() as netlink:
        default = [names[index] for index in _default_devices(netlink) if index in names]
        leading = _find_links(netlink, default)
        if not leading:
            outer = _find_links(netlink, filter(_may_lead_out, names.values()))
            leading = [link for link in outer if link.is_up and link.master is None]
    return min((link.mtu for link in leading), default=_USUAL_MTU)


def _find_links(netlink: IPRoute, names: Iterable[str]) -> list[Link]:
    return [link for name in names if (link := find_link(netlink, name)) is not None]


def _may_lead_out(name: str) -> bool:
    return name != "lo" and name not in _INNER and not name.startswith(_INNER_PREFIXES)


def _default_devices(netlink: IPRoute) -> set[int]:
    """Indices of the devices of the default route that wins: several, when it has several next hops."""
    with explained("read the routes"):
        routes: list[Any] = [
            route
            for route in netlink.route("dump", family=_AF_INET)
            if route["dst_len"] == 0 and (route.get_attr("RTA_TABLE") or route["table"]) == _MAIN_TABLE
        ]
    if not routes:
        return set()
    best = min(routes, key=lambda route: route.get_attr("RTA_PRIORITY") or 0)
    device = best.get_attr("RTA_OIF")
    if device is not None:
        return {device}
    return {hop["oif"] for hop in best.get_attr("RTA_MULTIPATH") or ()}
