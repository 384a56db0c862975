"""A container's end of the weave network: interface `ethwe` in its namespace, by the pid of a process there.

What is made is as the original made it (specification cli, section 8). Knows no Docker and no router.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from weave_cli.addresses import Cidr
from weave_cli.host.addrs import add_address, announce, list_addresses, remove_address
from weave_cli.host.knobs import ensure_guest_knobs, read_knob, set_knobs
from weave_cli.host.netlink import (
    delete_link,
    explained,
    find_link,
    get_link,
    open_netlink,
    remove_link,
)
from weave_cli.host.netns import call_in_namespace, read_interfaces
from weave_cli.host.veth import create_endpoint_veth
from weave_cli.names import BRIDGE, GO_SYSCTL, GUEST_LINK, HOST_LINK_PREFIX, MOVING_LINK_PREFIX

_CARRIER_LIMIT_S: Final = 1.0
_CARRIER_POLL_S: Final = 0.001
_FORWARDING: Final = 3  # state of a bridge port, from the kernel's if_bridge.h

_AF_INET: Final = 2
_MULTICAST: Final = "224.0.0.0"
_MULTICAST_LEN: Final = 4


def read_guest(pid: int) -> tuple[Cidr, ...] | None:
    """The addresses of the container's `ethwe`; None when it has no such interface."""

    found = (one.addresses for one in read_interfaces(pid) if one.name == GUEST_LINK)
    return next(found, None)


def attach_guest(
    pid: int, cidrs: Sequence[Cidr], *, wants_multicast_route: bool, bridge: str = BRIDGE
) -> None:
    """Give the container these addresses on the network, as well as those that it has.

    Raises HostProblem, or ProcessLookupError when the container has died; `restore_guest` then takes back
    what was done until then.
    """
    if read_guest(pid) is None:
        _connect(pid, bridge)
    added = call_in_namespace(pid, lambda: _set_up(cidrs))
    _wait_for_carrier(f"{HOST_LINK_PREFIX}{pid}")

    def finish() -> None:
        _announce(added)
        # Last of all: programs that wait for the network look for this route.
        if wants_multicast_route:
            _ensure_multicast_route()

    call_in_namespace(pid, finish)


def let_go(pid: int) -> bool:
    """Tell a program that waits in the container for the network that it need not; False: it was not told.

    Raises ProcessLookupError when the container has died.
    """
    return not call_in_namespace(pid, lambda: set_knobs({GO_SYSCTL: "1"}))


def was_let_go(pid: int) -> bool:
    """Has `let_go` been called in this life of the container? Raises ProcessLookupError when it has died."""
    return call_in_namespace(pid, lambda: read_knob(GO_SYSCTL)) not in (None, "0")


def detach_guest(pid: int, cidrs: Iterable[Cidr]) -> None:
    """Take these addresses away; the interface goes with the last one. Absent ones are no error."""
    call_in_namespace(pid, lambda: _remove(cidrs))


def restore_guest(pid: int, before: tuple[Cidr, ...] | None) -> None:
    """Make it as `read_guest` saw it, after attaching failed. A dead container is no error."""
    try:
        if before is None:
            call_in_namespace(pid, _delete_interface)
        else:
            call_in_namespace(pid, lambda: _remove_all_but(before))
    except ProcessLookupError:
        pass
    if before is None:
        # The pair, if it did not get as far as into the namespace.
        delete_link(f"{HOST_LINK_PREFIX}{pid}")


def _connect(pid: int, bridge: str) -> None:
    host_end, guest_end = f"{HOST_LINK_PREFIX}{pid}", f"{MOVING_LINK_PREFIX}{pid}"
    create_endpoint_veth(host_end, guest_end, bridge=bridge)
    with open_netlink() as netlink:
        guest = get_link(netlink, guest_end)
        with explained(f"move {guest_end} into the network namespace of process {pid}"):
            netlink.link("set", index=guest.index, net_ns_pid=pid, ifname=GUEST_LINK)
        with explained(f"set up {host_end}"):
            # So that a container reaches itself by an address of the host's that is translated to its own.
            netlink.brport("set", index=get_link(netlink, host_end).index, mode=1)


def _set_up(cidrs: Sequence[Cidr]) -> list[Cidr]:
    """Addresses, then up; answers the new ones."""
    ensure_guest_knobs(GUEST_LINK)
    with open_netlink() as netlink:
        link = get_link(netlink, GUEST_LINK)
        added = [cidr for cidr in cidrs if add_address(netlink, link, cidr)]
        if not link.is_up:
            with explained(f"bring up {GUEST_LINK}"):
                netlink.link("set", index=link.index, state="up")
    return added


def _announce(cidrs: Sequence[Cidr]) -> None:
    if cidrs:
        _wait_for_carrier(GUEST_LINK)
        with open_netlink() as netlink:
            announce(get_link(netlink, GUEST_LINK), cidrs)


def _wait_for_carrier(name: str) -> None:
    """The kernel takes a moment to notice that both ends are up, and throws frames away until then."""
    deadline = time.monotonic() + _CARRIER_LIMIT_S
    with open_netlink() as netlink:
        link = find_link(netlink, name)
        while link is not None and time.monotonic() < deadline:
            with explained(f"read network device {name}"):
                (message,) = netlink.link("get", index=link.index)
            if message.get_attr("IFLA_OPERSTATE") == "UP" and _port_state(message) in (None, _FORWARDING):
                return
            time.sleep(_CARRIER_POLL_S)


def _port_state(message: Any) -> int | None:
    """Of a bridge port; None for other devices."""
    info = message.get_attr("IFLA_LINKINFO")
    data = info.get_attr("IFLA_INFO_SLAVE_DATA") if info is not None else None
    return data.get_attr("IFLA_BRPORT_STATE") if data is not None else None


def _ensure_multicast_route() -> None:
    """Unless the container has one through whatever device."""
    from pyroute2.netlink.exceptions import NetlinkError

    with open_netlink() as netlink:
        with explained("read the routes"):
            routes = list(netlink.route("dump", family=_AF_INET))
        if any(
            route["dst_len"] == _MULTICAST_LEN and route.get_attr("RTA_DST") == _MULTICAST for route in routes
        ):
            return
        with explained(f"add the multicast route through {GUEST_LINK}"):
            try:
                index = get_link(netlink, GUEST_LINK).index
                netlink.route("add", dst=f"{_MULTICAST}/{_MULTICAST_LEN}", oif=index, scope="link")
            except NetlinkError as error:
                if error.code != errno.EEXIST:
                    raise


def _remove(cidrs: Iterable[Cidr]) -> None:
    with open_netlink() as netlink:
        link = find_link(netlink, GUEST_LINK)
        if link is None:
            return
        for cidr in cidrs:
            remove_address(netlink, link, cidr)
        if not list_addresses(netlink, link):
            remove_link(netlink, link)


def _remove_all_but(kept: tuple[Cidr, ...]) -> None:
    with open_netlink() as netlink:
        link = find_link(netlink, GUEST_LINK)
        if link is not None:
            for cidr in list_addresses(netlink, link):
                if cidr not in kept:
                    remove_address(netlink, link, cidr)


def _delete_interface() -> None:
    delete_link(GUEST_LINK)
