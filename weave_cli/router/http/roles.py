"""What the HTTP API asks of the router behind it. Roles only: the runtime plays them, tests play them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from weave_cli.addresses import Address, Cidr
from weave_cli.names import PeerName
from weave_cli.realms import Realm
from weave_cli.reports import Report


class NameRecord(Protocol):
    """A weaveDNS entry (specification dns, section 1)."""

    @property
    def container_id(self) -> str: ...
    @property
    def origin(self) -> PeerName: ...
    @property
    def address(self) -> int: ...
    @property
    def hostname(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def tombstone(self) -> int: ...


class AddressService(Protocol):
    """The allocator. Refusals are WeaveErrors with the specification's text; awaits may last for ever."""

    @property
    def default_subnet(self) -> Cidr: ...
    async def allocate(self, ident: str, subnet: Cidr, *, is_container: bool) -> Cidr | None:
        """An address of the subnet; None when the operation was cancelled from our side."""

    async def claim(self, ident: str, cidr: Cidr, *, no_error_on_unknown: bool, is_container: bool) -> bool:
        """True when the address is the ident's now; False when the operation was cancelled from our side."""

    async def wait_for_ring(self) -> bool: ...
    def lookup(self, ident: str, subnet: Cidr) -> Sequence[Cidr]: ...
    def free(self, ident: str, address: Address) -> None: ...
    def delete(self, ident: str) -> None: ...
    def owned(self) -> Mapping[str, Sequence[Cidr]]: ...
    def take_over(self, peer: str) -> int:
        """Make a dead peer's ranges ours; the number of addresses gained."""


class NameService(Protocol):
    """weaveDNS."""

    @property
    def domain(self) -> str: ...
    @property
    def listen_address(self) -> str: ...
    @property
    def listen_port(self) -> int: ...
    def add(self, hostname: str, container: str, address: Address) -> None: ...
    def remove(self, *, hostname: str | None, container: str | None, address: Address | None) -> None: ...
    def records(self) -> Sequence[NameRecord]: ...


class ExposureService(Protocol):
    """The host's own addresses on the network. Refusals are WeaveErrors."""

    async def expose(self, cidr: Cidr, *, masquerades: bool) -> None: ...
    async def hide(self, cidr: Cidr) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAnswer:
    """What a peer said to an inquiry; None: nothing, as Go routers do."""

    name: str
    nickname: str
    content: Mapping[str, Any] | None


class RealmService(Protocol):
    """Isolated networks on this host. Refusals are WeaveErrors."""

    async def ensure(self, key: str) -> Realm:
        """The realm of that key, with its devices; waits until these can be made."""

    async def drop(self, key: str) -> bool:
        """Take the devices away unless a container uses them; were they taken away?"""


class NetworkService(Protocol):
    """Networks that are the same on all hosts. Refusals are WeaveErrors."""

    def networks(self) -> Sequence[Mapping[str, Any]]:
        """Rows ready for JSON, tombstones too."""

    def create(
        self, name: str, subnet: Cidr | None, options: Mapping[str, str], *, is_internal: bool
    ) -> None:
        """Let all hosts have it; without a subnet, a free one."""

    def remove(self, name: str) -> None: ...


class RouterService(Protocol):
    """The whole router, as the API sees it."""

    @property
    def instance(self) -> str:
        """Changes with every start of the process; clients see by it that names must be given again."""

    @property
    def is_ready(self) -> bool: ...
    @property
    def addresses(self) -> AddressService | None: ...
    @property
    def names(self) -> NameService | None: ...
    @property
    def exposures(self) -> ExposureService: ...
    @property
    def realms(self) -> RealmService: ...
    @property
    def networks(self) -> NetworkService: ...
    def report(self) -> Report: ...
    async def connect(self, peers: Sequence[str], *, replace: bool) -> Sequence[str]:
        """Add targets; the problems, one line for each peer that could not be added."""

    def forget(self, peers: Sequence[str]) -> None: ...
    async def inquire(self, want: str) -> Sequence[PeerAnswer]:
        """Ask every peer; raises UsageProblem for something that nobody can be asked."""

    async def leave(self) -> None:
        """Hand all our space to another peer before this router goes for good."""
