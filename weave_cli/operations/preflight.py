"""What must hold of this machine before anything is changed: root, Linux, free ports, free addresses.

Reads files below /proc only; knows no Docker.
"""

from __future__ import annotations

import os
import platform
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.errors import HostProblem, UsageProblem
from weave_cli.host.listeners import find_listener
from weave_cli.names import BRIDGE, DEFAULT_RANGE
from weave_cli.operations.reporter import Reporter

_LOWEST_KERNEL: Final = (4, 3)  # forwarding entries of VXLAN devices per destination, bridge port isolation
_ROUTES: Final = Path("/proc/net/route")

# Columns of /proc/net/route
_DEVICE, _DESTINATION, _MASK = 0, 1, 7


def check_machine(reporter: Reporter) -> None:
    """Raises HostProblem unless we are root on Linux; an old kernel is only worth a notice."""
    if platform.system() != "Linux":
        raise HostProblem(
            f"weave cannot run on {platform.system()}", hint="Run it on the Linux host that Docker runs on."
        )
    if os.geteuid() != 0:
        raise HostProblem("weave must be run as root", hint="Try again with sudo.")
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    if match and (int(match[1]), int(match[2])) < _LOWEST_KERNEL:
        needed = ".".join(map(str, _LOWEST_KERNEL))
        reporter.notice(f"WARNING: kernel {platform.release()} is older than {needed}; things may not work.")


def check_ports(port: int, http_address: str) -> None:
    """Raises HostProblem naming whoever listens where the router is going to."""
    http_port = int(http_address.rpartition(":")[2])
    wanted = (
        ("tcp", port, "the mesh", "WEAVE_PORT"),
        ("tcp", http_port, "the router's HTTP API", "WEAVE_HTTP_ADDR"),
    )
    for protocol, number, purpose, variable in wanted:
        owner = find_listener(protocol, number)
        if owner is not None:
            raise HostProblem(
                f"port {number}/{protocol}, wanted for {purpose}, is in use by {owner}",
                hint=f"Stop that program, or choose another port with {variable}.",
            )


def check_range(given: str | None, reporter: Reporter) -> None:
    """The allocation range against the host's routes (specification cli, section 9.2).

    A default range that overlaps is an error, one that the user chose only worth a notice, and an empty
    one (no allocator) is not looked at.
    """
    if given == "":
        return
    wanted = parse_cidr(DEFAULT_RANGE if given is None else given)
    clash = find_overlap(wanted, _ROUTES.read_text())
    if clash is None:
        return
    route, device = clash
    if given is None:
        raise HostProblem(
            f"the default address range {wanted} overlaps with the route {route} of this host ({device})",
            hint="Choose another range with --ipalloc-range, the same one on all hosts.",
        )
    reporter.notice(
        f"WARNING: the address range {wanted} overlaps with the route {route} of this host ({device}).\n"
        "Containers may be unable to reach the machines behind that route."
    )


def check_subnet(given: str | None, subnet: str | None) -> None:
    """Raises UsageProblem when the default subnet has no address of the allocation range."""
    if subnet is None:
        return
    if given == "":
        raise UsageProblem(
            f"--ipalloc-default-subnet {subnet} needs an allocation range",
            hint="Leave it out, or give --ipalloc-range.",
        )
    whole = parse_cidr(DEFAULT_RANGE if given is None else given)
    if not whole.network.overlaps(parse_cidr(subnet).network):
        raise UsageProblem(
            f"the default subnet {subnet} does not overlap with the allocation range {whole}",
            hint="Give both --ipalloc-range and --ipalloc-default-subnet, the second inside the first.",
        )


def find_overlap(wanted: Cidr, route_table: str) -> tuple[Cidr, str] | None:
    """The first route, with its device, that shares addresses with `wanted`.

    The default route does not count, nor do our own routes on the weave bridge.
    """
    for route, device in _parse_routes(route_table.splitlines()[1:]):
        if device != BRIDGE and route.prefix_len > 0 and route.network.overlaps(wanted.network):
            return route, device
    return None


def _parse_routes(lines: Iterable[str]) -> Iterator[tuple[Cidr, str]]:
    for line in lines:
        fields = line.split()
        destination, mask = (
            socket.ntohl(int(fields[_DESTINATION], 16)),
            socket.ntohl(int(fields[_MASK], 16)),
        )
        yield Cidr(destination, mask.bit_count()), fields[_DEVICE]
