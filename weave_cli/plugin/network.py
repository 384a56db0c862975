"""The network driver: endpoints are veth pairs on the weave bridge, or on their own network's.

Knows no socket and asks Docker nothing.

Docker neither repeats CreateNetwork nor forgives: networks that we never heard of are served, what is gone
already is deleted with success (specification plugin, sections 4 and 8).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, Protocol

from weave_cli.errors import WeaveError
from weave_cli.plugin import protocol
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.options import guess_facts, read_facts, unknown_options
from weave_cli.plugin.protocol import Reply
from weave_cli.plugin.server import Call

log = logging.getLogger(__name__)

#: Address spaces of Docker's own allocator, which knows nothing of other hosts.
_DOCKERS_OWN_SPACES: Final = frozenset({"LocalDefault", "GlobalDefault"})


class EndpointLinks(Protocol):
    """Makes and deletes veth pairs."""

    async def create(self, endpoint_id: str, mac: str | None) -> str:
        """A pair for that endpoint; answers the MAC address of the guest end, `mac` if given."""

    async def find_guest(self, endpoint_id: str) -> str:
        """A name by which Docker finds the guest end on the host; the pair is made again when it is gone."""

    def delete_later(self, endpoint_id: str) -> None:
        """The endpoint's pair goes in the background: the kernel takes 20 ms, and nobody needs to wait."""

    async def list_unknown(self, endpoint_ids: Collection[str]) -> frozenset[str]:
        """Devices that belong to none of these endpoints, and to no container; raises HostProblem."""

    def without(self, devices: Collection[str], endpoint_ids: Collection[str]) -> frozenset[str]:
        """Those of the devices that belong to none of these endpoints."""

    async def delete(self, device: str) -> None:
        """That device, and so its other end; raises HostProblem."""


class NetworkDriver:
    """Answers the NetworkDriver calls of one driver."""

    def __init__(
        self,
        name: str,
        links: EndpointLinks,
        journal: Journal,
        *,
        is_global: bool,
        wants_multicast_route: bool,
        on_stranger: Callable[[], Awaitable[None]] | None = None,
        on_deleted: Callable[[str], None] = lambda key: None,
    ) -> None:
        """name: the driver's; is_global: Docker is to share our networks between hosts.

        on_stranger: is awaited when a container comes to a network that we never heard of; on_deleted: with
        the key of the realm, when an isolated network was removed.
        """
        self._on_deleted = on_deleted
        self._on_stranger = on_stranger
        self._name = name
        self._links = links
        self._journal = journal
        self._is_global = is_global
        self._wants_multicast_route = wants_multicast_route

    def calls(self) -> dict[str, Call]:
        silent = dict.fromkeys(
            (
                "NetworkDriver.DiscoverNew",
                "NetworkDriver.DiscoverDelete",
                "NetworkDriver.ProgramExternalConnectivity",
                "NetworkDriver.RevokeExternalConnectivity",
                "NetworkDriver.FreeNetwork",
                "NetworkDriver.Leave",
            ),
            _agree,
        )
        return {
            **silent,
            "NetworkDriver.GetCapabilities": self.get_capabilities,
            "NetworkDriver.AllocateNetwork": self.allocate_network,
            "NetworkDriver.CreateNetwork": self.create_network,
            "NetworkDriver.DeleteNetwork": self.delete_network,
            "NetworkDriver.CreateEndpoint": self.create_endpoint,
            "NetworkDriver.EndpointOperInfo": self.describe_endpoint,
            "NetworkDriver.DeleteEndpoint": self.delete_endpoint,
            "NetworkDriver.Join": self.join,
        }

    async def get_capabilities(self, _body: Mapping[str, Any]) -> Reply:
        return {"Scope": "global" if self._is_global else "local"}

    async def allocate_network(self, body: Mapping[str, Any]) -> Reply:
        return {"Options": body.get("Options") or {}}

    async def create_network(self, body: Mapping[str, Any]) -> Reply:
        wish = protocol.read_network_wish(body)
        facts = read_facts(self._name, wish.network_id, wish.options)
        if unknown := unknown_options(wish.options):
            log.warning("network %s: unknown options %s", wish.network_id, ", ".join(unknown))
        if not self._is_global and _DOCKERS_OWN_SPACES.intersection(wish.address_spaces):
            log.warning(
                "network %s takes its addresses from Docker, which may give the same ones out on other hosts:"
                " use --ipam-driver %s",
                wish.network_id,
                self._name,
            )
        self._journal.save_network(wish.network_id, facts)
        return {}

    async def delete_network(self, body: Mapping[str, Any]) -> Reply:
        network_id = protocol.read_network_id(body)
        facts = self._journal.find_network(network_id)
        self._journal.remove_network(network_id)
        if facts is not None and facts.realm:
            self._on_deleted(facts.realm)
        return {}

    async def create_endpoint(self, body: Mapping[str, Any]) -> Reply:
        wish = protocol.read_endpoint_wish(body)
        if self._journal.find_network(wish.network_id) is None:
            # Made on another host; what its options are, Docker is asked, if it answers at once.
            self._journal.save_network(wish.network_id, guess_facts(self._name, wish.network_id))
            if self._on_stranger is not None:
                await self._on_stranger()
        self._journal.save_endpoint(wish.endpoint_id, wish.network_id, wish.address)
        try:
            mac = await self._links.create(wish.endpoint_id, wish.mac)
        except BaseException:  # the deadline's cancellation too: Docker forgets a failed endpoint
            self._forget(wish.endpoint_id)
            raise
        log.debug("endpoint %s: %s %s", wish.endpoint_id, wish.address, mac)
        return protocol.endpoint_reply(wish, mac)

    async def describe_endpoint(self, _body: Mapping[str, Any]) -> Reply:
        return {"Value": {}}

    async def delete_endpoint(self, body: Mapping[str, Any]) -> Reply:
        self._forget(protocol.read_endpoint_id(body))
        return {}

    async def join(self, body: Mapping[str, Any]) -> Reply:
        joining = protocol.read_joining(body)
        facts = self._journal.find_network(joining.network_id)
        # Two networks that both bring the route could not be attached to one container.
        has_route = (
            self._wants_multicast_route
            and facts is not None
            and facts.has_multicast
            and not self._journal.has_route(joining.sandbox, besides=joining.endpoint_id)
        )
        self._journal.save_join(joining.endpoint_id, joining.sandbox, has_route=has_route)
        guest_name = await self._links.find_guest(joining.endpoint_id)
        return protocol.join_reply(guest_name, has_multicast_route=has_route)

    def _forget(self, endpoint_id: str) -> None:
        try:
            self._journal.mark_endpoint_gone(endpoint_id)
        except WeaveError as problem:
            log.error("endpoint %s: %s", endpoint_id, problem)
        self._links.delete_later(endpoint_id)


async def _agree(_body: Mapping[str, Any]) -> Reply:
    return {}


async def activate(_body: Mapping[str, Any]) -> Reply:
    """The call with which Docker asks what a socket offers."""
    return {"Implements": ["NetworkDriver", "IpamDriver"]}


async def activate_networks(_body: Mapping[str, Any]) -> Reply:
    """The same of a driver whose networks have their addresses from Docker."""
    return {"Implements": ["NetworkDriver"]}
