"""How large the packets between hosts may be, before any peer is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from weave_cli.host.netlink import Link, explained, list_links, open_netlink
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
    with open_netlink() as netlink:
        links = list_links(netlink)
        devices = _default_devices(netlink)
    leading = [link.mtu for link in links if link.index in devices]
    return min(leading or (link.mtu for link in _outer(links)), default=_USUAL_MTU)


def _outer(links: Iterable[Link]) -> list[Link]:
    return [
        link
        for link in links
        if link.is_up
        and link.name != "lo"
        and link.name not in _INNER
        and not link.name.startswith(_INNER_PREFIXES)
        and link.master is None
    ]


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
