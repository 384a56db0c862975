"""Which address is in use by whom on this host. Knows no ring.

Owners are container ids, `weave:expose`, or, for callers without an id, the address itself as text
(specification ipam, section 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from weave_cli.addresses import Cidr, Range, format_address
from weave_cli.names import ANONYMOUS_OWNER
from weave_cli.router.ipam.ring import Ring


@dataclass(slots=True)
class Holding:
    """The addresses of one owner. is_container: its life is watched."""

    is_container: bool
    cidrs: list[Cidr] = field(default_factory=list)


class Journal(Protocol):
    """Where changes are written before anybody hears of them.

    Calls only note a change. The coat around the allocator commits all that was noted, as one, before it
    pulls messages or events from the allocator and the mesh: what a peer or a caller was told is then never
    undone by a crash. When it cannot commit, nothing may be sent until it can.
    """

    def save_ring(self, ring: Ring) -> None: ...
    def add_owned(self, ident: str, cidr: Cidr, is_container: bool) -> None: ...
    def remove_owned(self, cidr: Cidr) -> None: ...


class Books:
    """Owners and their addresses, both ways."""

    def __init__(self, journal: Journal, saved: Mapping[str, Holding]) -> None:
        self._journal = journal
        self._holdings = dict(saved)
        self._owner_of = {
            cidr.address: ident for ident, holding in self._holdings.items() for cidr in holding.cidrs
        }

    def __len__(self) -> int:
        return len(self._owner_of)

    def addresses(self) -> Iterable[int]:
        return self._owner_of.keys()

    def owner_of(self, address: int) -> str | None:
        return self._owner_of.get(address)

    def find(self, ident: str, part: Range) -> list[Cidr]:
        """The addresses of an owner in a range, in the order they were given."""
        holding = self._holdings.get(ident)
        return [cidr for cidr in holding.cidrs if cidr.address in part] if holding else []

    def all(self) -> dict[str, list[Cidr]]:
        return {ident: list(holding.cidrs) for ident, holding in self._holdings.items()}

    def cidrs_of(self, ident: str) -> list[Cidr]:
        holding = self._holdings.get(ident)
        return list(holding.cidrs) if holding else []

    def add(self, ident: str, cidr: Cidr, is_container: bool) -> None:
        """Note that an address that nobody uses is the owner's now."""
        owner = owner_name(ident, cidr.address)
        holding = self._holdings.setdefault(owner, Holding(is_container))
        holding.cidrs.append(cidr)
        self._owner_of[cidr.address] = owner
        self._journal.add_owned(owner, cidr, holding.is_container)

    def remove(self, ident: str, cidr: Cidr) -> None:
        """Note that an owner no longer uses an address."""
        holding = self._holdings[ident]
        holding.cidrs.remove(cidr)
        del self._owner_of[cidr.address]
        if not holding.cidrs:
            del self._holdings[ident]
        self._journal.remove_owned(cidr)


def owner_name(ident: str, address: int) -> str:
    """Under what an address is filed."""
    return format_address(address) if ident == ANONYMOUS_OWNER else ident
