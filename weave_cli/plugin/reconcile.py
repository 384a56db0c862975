"""Addresses and endpoints that Docker has forgotten: found by comparing, given back when surely dead.

Docker loses track of them when it is killed, or when the plugin does not answer while a container ends. What
looks dead twice, a minute apart, is: nothing stays that long between RequestAddress and its endpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from weave_cli.addresses import Cidr, format_address
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.errors import DockerProblem, RouterProblem, StoreProblem, UsageProblem
from weave_cli.plugin.docker_door import DockerDoor
from weave_cli.plugin.journal import Held, Journal
from weave_cli.plugin.network import EndpointLinks
from weave_cli.plugin.options import guess_facts, read_facts
from weave_cli.plugin.releases import Releases

if TYPE_CHECKING:
    from weave_cli.containers.attachments import DriverNetwork

log = logging.getLogger(__name__)

_BETWEEN_LOOKS_S: Final = 60.0
_CLAIM_LIMIT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """What we gave to Docker, and Docker does not know (any more)."""

    addresses: frozenset[Held]
    endpoints: frozenset[str]

    def both(self, other: Suspects) -> Suspects:
        """Those of two looks; an address that was given out again in between is not the same."""
        return Suspects(
            addresses=self.addresses & other.addresses, endpoints=self.endpoints & other.endpoints
        )


class Reconciler:
    """Compares the journal with Docker and the router, whenever one of them has returned."""

    def __init__(
        self,
        docker: DockerDoor,
        router: AsyncRouterClient,
        journal: Journal,
        releases: Releases,
        links: EndpointLinks,
        *,
        drivers: Collection[str],
        between_looks_s: float = _BETWEEN_LOOKS_S,
    ) -> None:
        self._docker = docker
        self._router = router
        self._journal = journal
        self._releases = releases
        self._links = links
        self._drivers = frozenset(drivers)
        self._between_looks_s = between_looks_s
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Compare after each wake, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                first = await self._look()
                if not await self._is_woken_within(self._between_looks_s):
                    self._give_back(first.both(await self._look()))
            except (DockerProblem, RouterProblem, StoreProblem) as problem:
                log.info("did not compare addresses: %s", problem)  # the return of either wakes us again

    async def _is_woken_within(self, limit_s: float) -> bool:
        """A router that returns may have lost addresses: these are claimed at once, suspects wait longer."""
        try:
            async with asyncio.timeout(limit_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _look(self) -> Suspects:
        from weave_cli.containers.attachments import list_driver_networks, read_known_to_docker

        networks = [
            network
            for network in await self._docker.call(list_driver_networks)
            if network.driver in self._drivers or network.address_driver in self._drivers
        ]
        self._learn(networks)
        owned = {cidr.address for cidrs in (await self._router.owned()).values() for cidr in cidrs}
        # The journal before Docker: what is added to both in between must not look forgotten.
        held = self._journal.list_held()
        endpoints = self._journal.list_endpoints(is_gone=False)
        known = await self._docker.call(read_known_to_docker, networks)
        for one in held:
            if format_address(one.address) in known.addresses and one.address not in owned:
                await self._claim_again(one)
        return Suspects(
            addresses=frozenset(one for one in held if format_address(one.address) not in known.addresses),
            endpoints=frozenset(one for one in endpoints if one not in known.endpoints),
        )

    def _learn(self, networks: Collection[DriverNetwork]) -> None:
        """Networks that were made on another host, or before our journal, have options too."""
        for network in networks:
            known = self._journal.find_network(network.id)
            if network.driver not in self._drivers or (known is not None and not known.is_guess):
                continue
            try:
                facts = read_facts(network.driver, network.id, network.options)
            except UsageProblem as problem:
                log.warning("network %s: %s", network.name, problem)
                facts = replace(guess_facts(network.driver, network.id), is_guess=False)
            if known is not None and known.realm != facts.realm and self._journal.has_endpoints(network.id):
                log.warning(
                    "network %s was made with options that we did not know when its first container came:"
                    " restart its containers of this host",
                    network.name,
                )
            self._journal.save_network(network.id, facts)

    async def _claim_again(self, held: Held) -> None:
        """The router has lost it, and a container lives at it."""
        cidr = Cidr(held.address, held.prefix_len)
        try:
            async with asyncio.timeout(_CLAIM_LIMIT_S):
                await self._router.claim(cidr, no_error_on_unknown=True)
            log.warning("claimed %s again, which the router had forgotten", cidr)
        except (RouterProblem, TimeoutError) as problem:
            log.error("a container has %s, which the router had forgotten: %s", cidr, problem or "no answer")

    def _give_back(self, suspects: Suspects) -> None:
        # What was given out again while Docker answered is not the one that it has forgotten.
        still_held = suspects.addresses.intersection(self._journal.list_held())
        for held in sorted(still_held, key=lambda one: one.serial):
            log.warning("Docker has forgotten %s: giving it back", format_address(held.address))
            self._releases.postpone(held.address)
        for endpoint_id in sorted(suspects.endpoints):
            log.warning("Docker has forgotten endpoint %s", endpoint_id)
            self._journal.mark_endpoint_gone(endpoint_id)
            self._links.delete_later(endpoint_id)
