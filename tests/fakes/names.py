"""A few names for tests of weaveDNS; plays the NameSource that a registry is in the router."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeNames:
    """Absolute names with their addresses; a change must be told by moving `generation`."""

    addresses: dict[str, list[int]] = field(default_factory=dict)
    hostnames: dict[int, str] = field(default_factory=dict)
    generation: int = 0

    def lookup(self, name: str) -> list[int]:
        return self.addresses.get(name.lower(), [])

    def reverse(self, address: int) -> str | None:
        return self.hostnames.get(address)
