"""One way to the kernel's links: open, read as values, and say what failed. Knows no device of ours.

pyroute2 takes 0.15 s to import and its synchronous calls refuse to run in a thread that has a running event
loop: it is imported when first used, and daemons call this room through a thread.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_IFF_UP = 1

#: Hints for refusals that an operator can do something about.
_HINTS = {
    errno.EPERM: "This needs the capability NET_ADMIN in the host's network: run it as root.",
    errno.EOPNOTSUPP: "The kernel lacks this kind of device: load its module, or use another kernel.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network device as the kernel describes it; `kind` is None for physical ones and loopback."""

    index: int
    name: str
    kind: str | None
    mac: str
    mtu: int
    is_up: bool
    master: int | None
    alias: str = ""
    """What somebody has written on it (IFLA_IFALIAS); empty for nothing."""


@contextmanager
def open_netlink() -> Iterator[IPRoute]:
    """A netlink socket in the namespace of the calling thread."""
    from pyroute2 import IPRoute

    # Its import resets the level that was chosen for it, and at debug level it tells of every attribute.
    logging.getLogger("pyroute2").setLevel(logging.WARNING)
    with IPRoute() as netlink:
        yield netlink


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn a refusal of the kernel into a HostProblem that begins with what we were doing."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as error:
        raise refusal(doing, int(error.code)) from error


def refusal(doing: str, code: int) -> HostProblem:
    """What the kernel's refusal of something means; code: its errno."""
    return HostProblem(f"cannot {doing}: {os.strerror(code)}", hint=_HINTS.get(code), code=Code.KERNEL)


def find_link(netlink: IPRoute, name: str) -> Link | None:
    """The device of that name, or None when there is none."""
    from pyroute2.netlink.exceptions import NetlinkError

    with explained(f"read network device {name}"):
        try:
            (message,) = netlink.link("get", ifname=name)
        except NetlinkError as error:
            if error.code != errno.ENODEV:
                raise
            return None
    return _link_of(message)


def get_link(netlink: IPRoute, name: str) -> Link:
    """The device of that name; raises HostProblem when there is none."""
    link = find_link(netlink, name)
    if link is None:
        raise HostProblem(f"network device {name} not present", code=Code.BRIDGE_MISSING)
    return link


def list_names() -> dict[int, str]:
    """The names of all devices of this namespace, by index, quickly: a busy host has hundreds."""
    return dict(socket.if_nameindex())


def list_links(netlink: IPRoute) -> list[Link]:
    """All devices of this namespace, by index; to read one takes 0.7 ms of a core."""
    with explained("list network devices"):
        messages = list(netlink.link("dump"))
    return sorted((_link_of(message) for message in messages), key=lambda link: link.index)


def delete_link(name: str) -> bool:
    """Delete the device; False when there was none of that name."""
    with open_netlink() as netlink:
        link = find_link(netlink, name)
        return link is not None and remove_link(netlink, link)


def remove_link(netlink: IPRoute, link: Link) -> bool:
    """Delete a device just read; False when somebody else was faster."""
    from pyroute2.netlink.exceptions import NetlinkError

    with explained(f"delete network device {link.name}"):
        try:
            netlink.link("del", index=link.index)
        except NetlinkError as error:
            if error.code != errno.ENODEV:
                raise
            return False
    return True


def _link_of(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind=info.get_attr("IFLA_INFO_KIND") if info is not None else None,
        mac=message.get_attr("IFLA_ADDRESS") or "",
        mtu=message.get_attr("IFLA_MTU"),
        is_up=bool(message["flags"] & _IFF_UP),
        master=message.get_attr("IFLA_MASTER"),
        alias=message.get_attr("IFLA_IFALIAS") or "",
    )
