"""The interfaces of a process's network namespace, by its pid, without leaving our own. Knows no Docker."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.addresses import Cidr, parse_address
from weave_cli.errors import HostProblem
from weave_cli.host.netlink import explained, list_links

_AF_INET: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network device with its IPv4 addresses, in the kernel's order."""

    name: str
    mac: str
    addresses: tuple[Cidr, ...]


def read_interfaces(pid: int | None = None) -> Sequence[Interface]:
    """All devices in the namespace of process `pid` (None: ours), by index.

    Raises ProcessLookupError when the process has ended, and HostProblem when we are not root.
    """
    from pyroute2 import IPRoute

    namespace = None if pid is None else f"/proc/{pid}/ns/net"
    if namespace is not None:
        _check_reachable(namespace)
    with IPRoute(netns=namespace) as netlink:
        links = list_links(netlink)
        with explained("list addresses"):
            messages = list(netlink.addr("dump", family=_AF_INET))
    found: dict[int, list[Cidr]] = {}
    for message in messages:
        address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        found.setdefault(message["index"], []).append(Cidr(parse_address(address), message["prefixlen"]))
    return [
        Interface(name=link.name, mac=link.mac, addresses=tuple(found.get(link.index, ()))) for link in links
    ]


def _check_reachable(namespace: str) -> None:
    try:
        os.stat(namespace)
    except FileNotFoundError as problem:
        raise ProcessLookupError(f"{namespace}: the process has ended") from problem
    except PermissionError as problem:
        raise HostProblem(
            f"cannot look into {namespace}: {problem.strerror}", hint="weave must be run as root."
        ) from problem
