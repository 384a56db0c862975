"""Makes the host's network at the router's start and again whenever somebody took part of it away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.host.network import HostNetwork, NetworkWish, ensure_network
from weave_cli.host.rules import Exposure
from weave_cli.router.overlay.vxlan import VXLAN_OVERHEAD

log = logging.getLogger(__name__)

#: Seconds between two looks at devices, sysctls and firewall rules. The Go routers look every 10 s
#: (specification cli, section 7.5); each look costs some 20 ms of a core, all that a router at rest does.
UPKEEP_INTERVAL_S: Final = 20.0


class HostUpkeep:
    """The host's network as wished; the kernel is spoken to in threads."""

    def __init__(self, wish: NetworkWish) -> None:
        self._wish = wish
        self._changing = asyncio.Lock()
        self._network: HostNetwork | None = None
        self._last_problem: str | None = None

    @property
    def network(self) -> HostNetwork:
        """What the host has; prepare must have been."""
        assert self._network is not None, "prepare comes first"
        return self._network

    async def want_exposures(self, exposures: tuple[Exposure, ...]) -> None:
        """The host's own addresses from now on; at once, unless prepare is still to come.

        Raises HostProblem, and goes on wanting what it wanted before.
        """
        firewall = replace(self._wish.firewall, exposures=exposures)
        async with self._changing:
            wish = replace(self._wish, firewall=firewall)
            if self._network is not None:
                await asyncio.to_thread(ensure_network, wish)
            self._wish = wish

    async def prepare(self) -> HostNetwork:
        """Make bridge, devices, sysctls and rules. Raises HostProblem that says what is in the way."""
        self._network = network = await asyncio.to_thread(ensure_network, self._wish)
        needed = network.mtu + VXLAN_OVERHEAD
        if needed > network.underlay_mtu:
            log.warning(
                "an MTU of %d needs packets of %d octets between hosts, the underlay carries %d",
                network.mtu,
                needed,
                network.underlay_mtu,
            )
        if network.refused_knobs:
            log.warning("cannot set sysctls: %s", ", ".join(network.refused_knobs))
        # What was chosen at the start stays: containers have it already.
        self._wish = replace(self._wish, mtu=network.mtu)
        return network

    async def keep_up(self, on_remade: Callable[[HostNetwork], Awaitable[None]]) -> None:
        """Look after it for ever; `on_remade` is awaited when a device is not the one it was."""
        while True:
            await asyncio.sleep(UPKEEP_INTERVAL_S)
            try:
                await self.look_after(on_remade)
                self._last_problem = None
            except (HostProblem, OSError) as problem:
                # Told once, tried for ever: whoever caused it may take it back.
                if str(problem) != self._last_problem:
                    log.error("%s", problem)
                self._last_problem = str(problem)
            except Exception:
                # A defect, of ours or of a library: rules and devices must be looked after all the same.
                log.exception("cannot look after the host's network")

    async def look_after(self, on_remade: Callable[[HostNetwork], Awaitable[None]]) -> None:
        """Others flush chains and delete devices: make again what is missing."""
        before = self.network
        async with self._changing:
            after = await asyncio.to_thread(ensure_network, self._wish)
        if after.rules_changed:
            log.info("firewall rules were gone or not in front: made again")
        if _indices(before) != _indices(after):
            log.warning("the weave bridge, or the VXLAN or TAP device in it, was gone: made again")
            await on_remade(after)
            if after.tap_index is None and before.tap_index is not None:
                # It has been opened again by now.
                async with self._changing:
                    after = await asyncio.to_thread(ensure_network, self._wish)
        # Only now: what failed above is to be made up for at the next look.
        self._network = after


def _indices(network: HostNetwork) -> tuple[int, int, int | None]:
    return network.bridge_index, network.vxlan_index, network.tap_index
