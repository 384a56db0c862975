"""Which addresses are worth dialling, given what we know of the mesh. Pure functions; knows no time.

Follows the specification mesh, section 14, evaluation steps 1 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.mesh.ourself import LocalConnection
from weave_cli.router.mesh.peers import PeerTable
from weave_cli.router.mesh.targets import DirectTarget

#: Addresses come from other peers: what has not this form is neither dialled nor shown. Routers since 2.6 may
#: tell of IPv6 ones among themselves; we speak IPv4.
_ADDRESS: Final = re.compile(r"(?P<ip>[0-9A-Za-z.-]{1,253}):(?P<port>\d{1,5})", re.ASCII)


def wanted_direct(
    direct: Iterable[DirectTarget], connections: Iterable[LocalConnection], port: int
) -> set[str]:
    """The addresses of direct peers, without those given without port whose host has dialled us."""
    inbound = {_host_of(connection.address) for connection in connections if not connection.outbound}
    return {target.dialled(port) for target in direct if target.has_port or target.address not in inbound}


def discovered(
    us: PeerName, peers: PeerTable, connections: Iterable[LocalConnection], port: int
) -> Iterator[tuple[str, PeerName]]:
    """Where other peers say that those peers are which we have no connection to: address and name.

    An address that somebody dialled is taken as it is; of one that dialled them the port says nothing, so
    ours is taken.
    """
    unconnected = peers.names - {us} - {connection.remote for connection in connections}
    if not unconnected:
        return
    for peer in peers:
        for link in peer.links:
            if link.remote in unconnected and (match := _ADDRESS.fullmatch(link.address)):
                yield link.address if link.outbound else f"{match['ip']}:{port}", link.remote


def _host_of(address: str) -> str:
    return address.rpartition(":")[0]
