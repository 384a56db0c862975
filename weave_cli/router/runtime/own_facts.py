"""What this router tells others of its host: so much as helps to find what is wrong, and no more."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from weave_cli import __version__
from weave_cli.addresses import Cidr
from weave_cli.host.bridge import read_bridge
from weave_cli.host.routes import list_routes

#: Routes that are told at most.
_MOST_ROUTES: Final = 50


async def tell_facts(wanted: Cidr | None) -> dict[str, Any]:
    """Version, MTU, and those of the host's routes that overlap with the range of addresses."""
    return await asyncio.to_thread(_read, wanted)


def _read(wanted: Cidr | None) -> dict[str, Any]:
    bridge = read_bridge()
    clashes = [
        {"route": str(route), "device": device}
        for route, device in list_routes()
        if wanted is not None and route.network.overlaps(wanted.network)
    ]
    return {
        "version": __version__,
        "mtu": None if bridge is None else bridge.mtu,
        "overlappingRoutes": clashes[:_MOST_ROUTES],
    }
