"""What must hold of this machine before anything is changed: root, Linux, free ports, free addresses.

Reads files below /proc only; knows no Docker.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import HostProblem, UsageProblem
from weave_cli.host.listeners import UNSEEN_OWNER, find_listener
from weave_cli.host.routes import list_routes
from weave_cli.host.tap import is_tun_present
from weave_cli.host_files import on_host
from weave_cli.names import DEFAULT_RANGE, TUN_CONTROL
from weave_cli.operations.reporter import Reporter

_LOWEST_KERNEL: Final = (4, 3)  # forwarding entries of VXLAN devices per destination, bridge port isolation

Protocol = Literal["tcp", "udp"]

_PROTOCOLS: Final[tuple[Protocol, ...]] = ("tcp", "udp")
_OTHER_PORT: Final = "choose another port with WEAVE_PORT, the same on all hosts"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededPort:
    """A port that the router is going to listen on; address: None for all of them.

    instead: what to do when somebody else needs it.
    """

    protocol: Protocol
    port: int
    address: str | None = None
    purpose: str
    instead: str


def check_machine(reporter: Reporter) -> None:
    """Raises HostProblem unless we are root on Linux; an old kernel is only worth a notice."""
    if platform.system() != "Linux":
        raise HostProblem(
            f"weave cannot run on {platform.system()}",
            hint="Run it on the Linux host that Docker runs on.",
            code=Code.NOT_LINUX,
        )
    if os.geteuid() != 0:
        raise HostProblem("weave must be run as root", hint="Try again with sudo.", code=Code.NOT_ROOT)
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    if match and (int(match[1]), int(match[2])) < _LOWEST_KERNEL:
        needed = ".".join(map(str, _LOWEST_KERNEL))
        reporter.notice(
            f"WARNING: kernel {platform.release()} is older than {needed}; things may not work.",
            NoticeCode.KERNEL_OLD,
        )


def check_tun() -> None:
    """Raises HostProblem when no TAP device can be made here; Docker's own words for it are obscure."""
    if not is_tun_present(str(on_host(TUN_CONTROL))):
        raise HostProblem(
            f"this host has no {TUN_CONTROL}, which the router needs for overlay sleeve",
            hint="Load the kernel's module with `modprobe tun`, then launch again.",
            code=Code.KERNEL_FEATURE,
        )


def check_ports(port: int, http_address: str, dns_address: str | None) -> None:
    """Raises HostProblem naming whoever listens where the router is going to.

    dns_address: where weaveDNS will listen on port 53; None when it is switched off.
    """
    for needed in list_needed_ports(port, http_address, dns_address):
        _check_port(needed)


def list_needed_ports(port: int, http_address: str, dns_address: str | None) -> Iterator[NeededPort]:
    """All of them, for arguments as check_ports takes them."""
    http_host, _, http_port = http_address.rpartition(":")
    yield NeededPort(protocol="tcp", port=port, purpose="the mesh", instead=_OTHER_PORT)
    yield NeededPort(protocol="udp", port=port, purpose="overlay sleeve", instead=_OTHER_PORT)
    yield NeededPort(protocol="udp", port=port + 1, purpose="VXLAN", instead=_OTHER_PORT)
    yield NeededPort(
        protocol="tcp",
        port=int(http_port),
        address=http_host,
        purpose="the HTTP API",
        instead="choose another address with WEAVE_HTTP_ADDR",
    )
    if dns_address is not None:
        for protocol in _PROTOCOLS:
            yield NeededPort(
                protocol=protocol,
                port=53,
                address=dns_address,
                purpose="weaveDNS",
                instead="launch with --no-dns",
            )


def check_proxy_port(port: int, address: str) -> None:
    """Raises HostProblem naming whoever listens where the proxy is going to."""
    _check_port(
        NeededPort(
            protocol="tcp",
            port=port,
            address=address,
            purpose="the proxy",
            instead="choose another port with -H",
        )
    )


def _check_port(needed: NeededPort) -> None:
    protocol, port, address = needed.protocol, needed.port, needed.address
    owner = find_listener(protocol, port, address)
    # A socket without process is the kernel's own: that of the VXLAN device which a stopped router leaves.
    if owner is not None and not (protocol == "udp" and owner == UNSEEN_OWNER):
        place = f"port {port}/{protocol}" if address is None else f"{address}:{port}/{protocol}"
        raise HostProblem(
            f"cannot use {place} for {needed.purpose}: in use by {owner}",
            hint=f"Stop that program, or {needed.instead}.",
            code=Code.PORT_IN_USE,
        )


def check_range(given: str | None, reporter: Reporter) -> None:
    """The allocation range against the host's routes (specification cli, section 9.2).

    A default range that overlaps is an error, one that the user chose only worth a notice, and an empty
    one (no allocator) is not looked at.
    """
    if given == "":
        return
    wanted = parse_cidr(DEFAULT_RANGE if given is None else given)
    clash = find_overlap(wanted)
    if clash is None:
        return
    route, device = clash
    if given is None:
        raise HostProblem(
            f"the default address range {wanted} overlaps with the route {route} of this host ({device})",
            hint="Choose another range with --ipalloc-range, the same one on all hosts.",
            code=Code.RANGE_OVERLAP,
        )
    reporter.notice(
        f"WARNING: the address range {wanted} overlaps with the route {route} of this host ({device}).\n"
        "Containers may be unable to reach the machines behind that route.",
        NoticeCode.RANGE_OVERLAP,
    )


def warn_of_overlap(cidr: Cidr, reporter: Reporter) -> None:
    """A fixed address, or network, that this host routes elsewhere: worth a notice, no more."""
    wanted = cidr if cidr.is_network else Cidr(cidr.address, 32)
    clash = find_overlap(wanted)
    if clash is not None:
        route, device = clash
        reporter.notice(
            f"WARNING: {cidr} overlaps with the route {route} of this host ({device}).",
            NoticeCode.RANGE_OVERLAP,
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
            code=Code.BAD_ADDRESS,
        )


def check_first_ring(given: str | None, init: str | None) -> None:
    """Raises UsageProblem when there is a first ring to make, but no range for it."""
    if given == "" and init is not None:
        raise UsageProblem(
            f"--ipalloc-init {init} needs an allocation range",
            hint="Leave it out, or give --ipalloc-range.",
        )


def find_overlap(wanted: Cidr) -> tuple[Cidr, str] | None:
    """The first route, with its device, that shares addresses with `wanted`.

    The default route does not count, nor do our own routes on the weave bridge.
    """
    for route, device in list_routes():
        if route.network.overlaps(wanted.network):
            return route, device
    return None
