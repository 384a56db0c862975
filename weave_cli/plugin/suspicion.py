"""What looks dead, since when, and for how long it must look so before it is. Pure: time is an argument.

Longer than anything can take that is under way. Between RequestAddress and the moment when Docker shows the
endpoint lie calls of ours of at most ten seconds; and when we died in between, Docker asks again within eight
seconds of our return. A container that stopped keeps its addresses and names for half a minute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from weave_cli.plugin.journal import Held

_CALLS_S: Final = 20.0
_CONTAINERS_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """What nobody seems to have (any more)."""

    addresses: frozenset[Held] = frozenset()
    """We gave them to Docker; one that was given out again since is another."""
    strays: frozenset[int] = frozenset()
    """Addresses that the router gave to a plugin of this host, and that are not in our books."""
    endpoints: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    """Ends of veth pairs, by name."""
    owners: frozenset[str] = frozenset()
    """Containers that have addresses by command, and do not run."""
    named: frozenset[str] = frozenset()
    """Containers that have names, and do not run."""

    def by_kind(self) -> Mapping[str, Collection[object]]:
        """As they are counted (weave_cli.leaks)."""
        return {
            "addresses": [*self.addresses, *self.strays, *self.owners],
            "endpoints": self.endpoints,
            "devices": self.devices,
            "names": self.named,
        }


#: The kinds that take as long as a container may be down.
_OF_CONTAINERS: Final = ("owners", "named")


class Suspicion:
    """Remembers from look to look. Whatever is not seen at one look is suspected anew at the next."""

    def __init__(self, *, longest_s: float) -> None:
        """longest_s: enough for any kind."""
        self._enough_s = {
            field.name: min(longest_s, _CONTAINERS_S if field.name in _OF_CONTAINERS else _CALLS_S)
            for field in fields(Suspects)
        }
        self._since: dict[tuple[str, Any], float] = {}

    def see(self, found: Suspects, *, began: float, ended: float) -> Suspects:
        """What a look from `began` to `ended` found; those that are dead, suspected no more."""
        since = {
            (kind, one): self._since.get((kind, one), ended)
            for kind in self._enough_s
            for one in getattr(found, kind)
        }
        dead = {key for key, first in since.items() if began - first >= self._enough_s[key[0]]}
        self._since = {key: first for key, first in since.items() if key not in dead}
        return Suspects(
            **{kind: frozenset(one for its, one in dead if its == kind) for kind in self._enough_s}
        )

    def next_proof(self) -> float | None:
        """The time of the first look that can find one of them dead; None: nothing is suspected."""
        return min((first + self._enough_s[kind] for (kind, _), first in self._since.items()), default=None)

    def forget(self) -> None:
        """All that was seen proves nothing any more."""
        self._since.clear()
