"""What an operator asks of the router: its command line as one value. Knows no room of the router."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from weave_cli import __version__
from weave_cli.addresses import Cidr, parse_subnet, parse_trusted_subnets
from weave_cli.errors import UsageProblem
from weave_cli.first_ring import FirstRing, choose_first_ring
from weave_cli.logs import LEVELS
from weave_cli.names import (
    DEFAULT_DOMAIN,
    DEFAULT_RANGE,
    DOCKER_BRIDGE,
    HTTP_ADDRESS,
    MESH_PORT,
    STATE_DIRECTORY,
    PeerName,
    parse_peer_name,
)
from weave_cli.router.wire.intro import HIGHEST_VERSION, LOWEST_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the operator asked of the router; addresses are IPv4, sizes octets."""

    port: int
    name: PeerName | None
    nickname: str
    address_range: Cidr | None
    default_subnet: Cidr | None
    first_ring: FirstRing
    discovery: bool
    connection_limit: int
    password_file: str | None
    trusted_subnets: tuple[Cidr, ...]
    lowest_protocol_version: int
    dns_domain: str
    dns_listen: tuple[str, int] | None
    dns_address_may_come: bool
    """Whether the host may get the address of weaveDNS later: Docker's bridge is there once Docker runs."""
    resolv_conf: str
    http_address: str
    status_address: str | None
    wants_fastdp: bool
    mtu: int | None
    docker_bridge: str
    state_directory: str
    log_level: str
    resumes: bool
    """Whether to connect to the peers of the last time, as connect and forget left them."""
    peers: tuple[str, ...]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageProblem(message, hint="See `weave help launch` for the options.")


def parse_options(arguments: Sequence[str]) -> Options:
    """The options; raises UsageProblem naming what is wrong."""
    parser = _Parser(prog="weaver", allow_abbrev=False, description="The router of Weave.")
    add = parser.add_argument
    add("--version", action="version", version=f"weave router {__version__}")
    add("--port", type=int, default=MESH_PORT, help="TCP port for peers; frames travel on UDP port + 1")
    add("--name", default="", help="name of this peer, like a MAC address")
    add("--nickname", default=socket.gethostname(), help="name of this peer for people")
    add("--ipalloc-range", default=DEFAULT_RANGE, help="addresses to allocate from; empty: none")
    add("--ipalloc-default-subnet", default="", help="subnet of requests that name none")
    add("--ipalloc-init", default=None, help="consensus[=N], seed=NAME,... or observer: the first ring")
    add("--init-peer-count", type=int, default=None, help="what --ipalloc-init=consensus=N says")
    add("--no-discovery", action="store_true", help="connect to the given peers only")
    add("--resume", action="store_true", help="connect to the peers of the last time")
    add("--conn-limit", type=int, default=200, help="most connections at once; 0: any number")
    add("--password-file", default=None, help="file with the password of the network, for its owner only")
    add("--trusted-subnets", default="", help="CIDRs, with commas: frames to peers in them go in clear")
    add("--min-protocol-version", type=int, default=LOWEST_VERSION, help="lowest version to speak")
    add("--no-dns", action="store_true", help="no weaveDNS")
    add("--dns-domain", default=DEFAULT_DOMAIN, help="domain of weaveDNS")
    add("--dns-listen-address", default="0.0.0.0:53", help="address and port of weaveDNS")
    add("--dns-address-may-come", action="store_true", help="the host may get that address later")
    add("--resolv-conf", default="/etc/resolv.conf", help="file that names the upstream resolvers")
    add("--http-addr", default=HTTP_ADDRESS, help="address and port of the HTTP API")
    add("--status-addr", default="", help="address and port that only tells of the router")
    add("--no-fastdp", action="store_true", help="all frames by overlay sleeve, none through the kernel")
    add(
        "--mtu",
        type=int,
        default=None,
        help="octets of the largest packet; default: what the underlay allows",
    )
    add("--docker-bridge", default=DOCKER_BRIDGE, help="Docker's default bridge")
    add("--state-dir", default=STATE_DIRECTORY, help="directory of the database")
    add("--log-level", choices=list(LEVELS), default="info", help="how much to log")
    add("peers", nargs="*", metavar="PEER", help="host[:port] of peers to connect to")
    found = parser.parse_intermixed_args(list(arguments))
    if found.resume and found.peers:
        raise UsageProblem(
            f"--resume is for the peers of the last time, but {' '.join(found.peers)} is given too",
            hint="Give either.",
        )
    address_range, default_subnet = _parse_ranges(found.ipalloc_range, found.ipalloc_default_subnet)
    if not 0 < found.port < 65535:
        raise UsageProblem(f"invalid port: {found.port}", hint="Give a port from 1 to 65534.")
    if not LOWEST_VERSION <= found.min_protocol_version <= HIGHEST_VERSION:
        raise UsageProblem(
            f"invalid --min-protocol-version: {found.min_protocol_version}",
            hint=f"It takes a number from {LOWEST_VERSION} to {HIGHEST_VERSION}.",
        )
    if found.init_peer_count is not None and found.init_peer_count < 0:
        raise UsageProblem(f"invalid --init-peer-count: {found.init_peer_count}")
    if address_range is None and (found.ipalloc_init or found.init_peer_count):
        raise UsageProblem("--ipalloc-init needs an --ipalloc-range")
    return Options(
        port=found.port,
        name=_parse_name(found.name),
        nickname=found.nickname,
        address_range=address_range,
        default_subnet=default_subnet,
        first_ring=choose_first_ring(found.ipalloc_init or None, found.init_peer_count),
        discovery=not found.no_discovery,
        connection_limit=found.conn_limit,
        password_file=found.password_file,
        trusted_subnets=parse_trusted_subnets(found.trusted_subnets),
        lowest_protocol_version=found.min_protocol_version,
        dns_domain=found.dns_domain if found.dns_domain.endswith(".") else f"{found.dns_domain}.",
        dns_listen=None if found.no_dns else _parse_endpoint(found.dns_listen_address),
        dns_address_may_come=found.dns_address_may_come,
        resolv_conf=found.resolv_conf,
        http_address="{}:{}".format(*_parse_endpoint(found.http_addr)),
        status_address=("{}:{}".format(*_parse_endpoint(found.status_addr)) if found.status_addr else None),
        wants_fastdp=not found.no_fastdp,
        mtu=found.mtu,
        docker_bridge=found.docker_bridge,
        state_directory=found.state_dir,
        log_level=found.log_level,
        resumes=found.resume,
        peers=tuple(found.peers),
    )


def _parse_name(text: str) -> PeerName | None:
    name = parse_peer_name(text) if text else None
    if name == 0:
        raise UsageProblem(f"invalid peer name: {text}", hint="00:00:00:00:00:00 means nobody.")
    return name


def _parse_ranges(range_text: str, subnet_text: str) -> tuple[Cidr | None, Cidr | None]:
    if not range_text:
        if subnet_text:
            raise UsageProblem("--ipalloc-default-subnet needs an --ipalloc-range")
        return None, None
    address_range = parse_subnet(range_text)
    subnet = parse_subnet(subnet_text) if subnet_text else address_range
    if not subnet.network.overlaps(address_range.network):
        raise UsageProblem(
            f"IP address allocation default subnet {subnet} does not overlap --ipalloc-range {address_range}"
        )
    return address_range, subnet


def _parse_endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) < 65536:
        raise UsageProblem(f"invalid address: {text}, should be ip:port")
    return host, int(port)
