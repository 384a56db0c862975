"""weaveDNS behind the API: changes of the registry, then the pump. Knows no HTTP and no DNS packet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weave_cli.addresses import Address
from weave_cli.router.nameserver.entries import Entry
from weave_cli.router.nameserver.registry import NameRegistry


class NameDesk:
    """Plays the API's NameService over a NameRegistry."""

    def __init__(
        self,
        registry: NameRegistry,
        listen_address: str,
        listen_port: int,
        clock: Callable[[], float],
        pump: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._pump = pump
        self.listen_address = listen_address
        self.listen_port = listen_port

    @property
    def domain(self) -> str:
        return self._registry.domain

    def add(self, hostname: str, container: str, address: Address) -> None:
        self._registry.add(hostname, container, address, self._clock())
        self._pump()

    def remove(self, *, hostname: str | None, container: str | None, address: Address | None) -> None:
        self._registry.remove(hostname=hostname, container=container, address=address, now=self._clock())
        self._pump()

    def records(self) -> Sequence[Entry]:
        return self._registry.entries()
