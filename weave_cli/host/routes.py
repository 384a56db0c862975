"""This host's IPv4 routes, from /proc. Reads only."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from weave_cli.addresses import Cidr
from weave_cli.names import BRIDGE

_ROUTES: Final = Path("/proc/net/route")

# Columns of /proc/net/route
_DEVICE, _DESTINATION, _MASK = 0, 1, 7


def list_routes() -> list[tuple[Cidr, str]]:
    """Destinations with their devices, but for the default routes and ours on the weave bridge."""
    parsed = _parse_routes(_ROUTES.read_text().splitlines()[1:])
    return [(route, device) for route, device in parsed if device != BRIDGE and route.prefix_len > 0]


def _parse_routes(lines: Iterable[str]) -> Iterator[tuple[Cidr, str]]:
    """Lines of /proc/net/route, but for the headline."""
    for line in lines:
        fields = line.split()
        destination, mask = (
            socket.ntohl(int(fields[_DESTINATION], 16)),
            socket.ntohl(int(fields[_MASK], 16)),
        )
        yield Cidr(destination, mask.bit_count()), fields[_DEVICE]
