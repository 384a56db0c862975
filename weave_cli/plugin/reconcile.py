"""What Docker or the router has forgotten, or nobody ever knew: found by comparing, removed when surely dead.

Docker loses track of endpoints and addresses when it is killed, or when the plugin does not answer while a
container ends; a plugin that is killed between the router's answer and its journal leaves an address behind
that is in nobody's books. So journal, router, kernel and Docker are compared at the start and every minute.
What looks dead is looked at again soon, and removed when it has looked so for long enough (`suspicion.py`).
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from weave_cli.addresses import Cidr, format_address
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.containers.door import DockerDoor
from weave_cli.errors import DockerProblem, HostProblem, RouterProblem, StoreProblem, UsageProblem
from weave_cli.plugin.journal import Held, Journal
from weave_cli.plugin.leaks import LeakBook
from weave_cli.plugin.network import EndpointLinks
from weave_cli.plugin.options import guess_facts, read_facts
from weave_cli.plugin.releases import Releases
from weave_cli.plugin.suspicion import Suspects, Suspicion

if TYPE_CHECKING:
    from weave_cli.containers.attachments import DriverNetwork, KnownToDocker

log = logging.getLogger(__name__)

BETWEEN_LOOKS_S: Final = 60.0
_CLAIM_LIMIT_S: Final = 10.0
_LEARNING_LIMIT_S: Final = 1.0

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")


class Reconciler:
    """Compares journal, Docker, router and kernel: when one of them has returned, and from time to time."""

    def __init__(
        self,
        docker: DockerDoor,
        router: AsyncRouterClient,
        journal: Journal,
        releases: Releases,
        links: EndpointLinks,
        leaks: LeakBook,
        *,
        drivers: Collection[str],
        between_looks_s: float = BETWEEN_LOOKS_S,
    ) -> None:
        self._docker = docker
        self._router = router
        self._journal = journal
        self._releases = releases
        self._links = links
        self._leaks = leaks
        self._drivers = frozenset(drivers)
        self._between_looks_s = between_looks_s
        self._suspicion = Suspicion(longest_s=between_looks_s)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def learn(self) -> None:
        """The options of all networks, if Docker tells them at once: it may be waiting for us meanwhile."""
        from weave_cli.containers.attachments import list_driver_networks

        try:
            async with asyncio.timeout(_LEARNING_LIMIT_S):
                self._learn(await self._docker.call(list_driver_networks))
        except (DockerProblem, TimeoutError) as problem:
            log.info("options of networks are not known yet: %s", problem or "Docker does not answer")
        self.wake()

    async def run(self) -> None:
        """Compare after each wake, and again and again, for ever."""
        clock = asyncio.get_running_loop().time
        await self._wake.wait()
        self._wake.clear()
        while True:
            began = clock()
            try:
                found = await self._look()
                self._leaks.suspect(found.by_kind())
                await self._give_back(self._suspicion.see(found, began=began, ended=clock()))
            except (DockerProblem, RouterProblem, StoreProblem, HostProblem) as problem:
                log.info("did not compare addresses: %s", problem)
                self._suspicion.forget()
            next_look = min(began + self._between_looks_s, self._suspicion.next_proof() or math.inf)
            if await self._is_woken_within(max(next_look - clock(), 0.0)):
                # A router that returns may have lost addresses: these are claimed, suspects wait longer.
                self._suspicion.forget()

    async def _is_woken_within(self, limit_s: float) -> bool:
        try:
            async with asyncio.timeout(limit_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    async def _look(self) -> Suspects:
        from weave_cli.containers.attachments import list_driver_networks, read_known_to_docker

        networks = [
            network
            for network in await self._docker.call(list_driver_networks)
            if network.driver in self._drivers or network.address_driver in self._drivers
        ]
        self._learn(networks)
        owned = await self._router.owned()
        addresses = {cidr.address for cidrs in owned.values() for cidr in cidrs}
        named = await self._read_named()
        # All before Docker: what is added to both in between must not look forgotten.
        held = self._journal.list_held()
        endpoints = self._journal.list_endpoints(is_gone=False)
        devices = await self._links.list_unknown({*endpoints, *self._journal.list_endpoints(is_gone=True)})
        known = await self._docker.call(read_known_to_docker, networks)
        for one in held:
            if format_address(one.address) in known.addresses and one.address not in addresses:
                await self._claim_again(one)
        return Suspects(
            addresses=frozenset(one for one in held if format_address(one.address) not in known.addresses),
            strays=await self._find_strays(owned, known),
            endpoints=frozenset(one for one in endpoints if one not in known.endpoints),
            devices=self._links.without(devices, known.endpoints),
            owners=frozenset(one for one in owned if _CONTAINER_ID.fullmatch(one)) - known.running,
            named=named - known.running,
        )

    async def _read_named(self) -> frozenset[str]:
        """Containers with names that this host's router has from us, or from its command line."""
        try:
            own = await self._router.own_name()
            records = await self._router.names()
        except RouterProblem as problem:
            log.debug("did not compare names: %s", problem)  # it may have no weaveDNS
            return frozenset()
        return frozenset(
            record.container
            for record in records
            if record.origin == own and _CONTAINER_ID.fullmatch(record.container)
        )

    async def _find_strays(
        self, owned: Mapping[str, Collection[Cidr]], known: KnownToDocker
    ) -> frozenset[int]:
        """What is filed under its own text was asked for by a plugin, and Docker is to have it.

        In a swarm another host may have it: the leader asks for the addresses of all.
        """
        from weave_cli.containers.engine import read_engine_facts

        strays = {
            cidr.address
            for ident, cidrs in owned.items()
            for cidr in cidrs
            if ident == format_address(cidr.address)
            and ident not in known.addresses
            and self._journal.find_serial(cidr.address) is None
        }
        if strays and (await self._docker.call(read_engine_facts)).is_in_swarm:
            return frozenset()
        return frozenset(strays)

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

    async def _give_back(self, suspects: Suspects) -> None:
        # What was given out again while Docker answered is not the one that it has forgotten.
        still_held = suspects.addresses.intersection(self._journal.list_held())
        for held in sorted(still_held, key=lambda one: one.serial):
            log.warning("Docker has forgotten %s: giving it back", format_address(held.address))
            self._releases.postpone(held.address)
        strays = {one for one in suspects.strays if self._journal.find_serial(one) is None}
        for address in sorted(strays):
            log.warning("nobody knows of %s: giving it back", format_address(address))
            self._releases.postpone(address)
        for endpoint_id in sorted(suspects.endpoints):
            log.warning("Docker has forgotten endpoint %s", endpoint_id)
            self._journal.mark_endpoint_gone(endpoint_id)
            self._links.delete_later(endpoint_id)
        for device in sorted(suspects.devices):
            log.warning("nobody knows of device %s: removing it", device)
            await self._links.delete(device)
        for container_id in sorted(suspects.owners):
            if await self._router.release_all(container_id):
                log.warning("gave back the addresses of %s, which does not run", container_id[:12])
        for container_id in sorted(suspects.named):
            log.warning("removing the names of %s, which does not run", container_id[:12])
            await self._router.remove_names(container_id)
        removed = replace(suspects, addresses=frozenset(still_held), strays=frozenset(strays))
        self._leaks.note_removed(removed.by_kind())
