"""The host's own addresses on the network, which are on the bridge: read, add, remove."""

from __future__ import annotations

from collections.abc import Iterable

from weave_cli.addresses import Cidr
from weave_cli.host.addrs import add_address, announce, list_addresses, remove_address
from weave_cli.host.iptables import find_backend, list_rules
from weave_cli.host.netlink import find_link, get_link, open_netlink
from weave_cli.host.rules import NAT, Exposure, is_masqueraded
from weave_cli.names import BRIDGE


def read_exposed(bridge: str = BRIDGE) -> tuple[Cidr, ...] | None:
    """The addresses on the bridge; None when there is no bridge."""
    with open_netlink() as netlink:
        link = find_link(netlink, bridge)
        return None if link is None else tuple(list_addresses(netlink, link))


def read_exposures(bridge: str = BRIDGE) -> tuple[Exposure, ...]:
    """The same with what the firewall does about each."""
    cidrs = read_exposed(bridge)
    if not cidrs:
        return ()
    rules = list_rules(find_backend(), NAT)
    return tuple(Exposure(cidr, is_masqueraded(Exposure(cidr).subnet, rules)) for cidr in cidrs)


def ensure_exposed(cidrs: Iterable[Cidr], bridge: str = BRIDGE) -> None:
    """Have these addresses on the bridge, beside others; new ones are announced."""
    wanted = tuple(cidrs)
    if not wanted:
        return
    with open_netlink() as netlink:
        link = get_link(netlink, bridge)
        announce(link, [cidr for cidr in wanted if add_address(netlink, link, cidr)])


def remove_exposed(cidr: Cidr, bridge: str = BRIDGE) -> bool:
    """Take it from the bridge; False when it was not there."""
    with open_netlink() as netlink:
        link = find_link(netlink, bridge)
        return link is not None and remove_address(netlink, link, cidr)
