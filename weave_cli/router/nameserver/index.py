"""Living entries by name and by address, for readers in another thread. Pure.

One thread writes. What a key leads to is a tuple that is replaced as a whole, never changed, so a reader in
another thread needs no lock: it sees the state before a change or the one after it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from weave_cli.router.nameserver.entries import Entry, Identity, storage_order

Key = TypeVar("Key", bound=Hashable)


class LivingIndex(Generic[Key]):
    """Entries that are alive under the key that `key_of` gives them, in the order of storage."""

    def __init__(self, key_of: Callable[[Entry], Key]) -> None:
        self._key_of = key_of
        self._living: dict[Key, tuple[Entry, ...]] = {}

    def find(self, key: Key) -> tuple[Entry, ...]:
        """The living entries of a key; may be called from any thread."""
        return self._living.get(key, ())

    def update(self, changed: Iterable[Entry]) -> None:
        """Take in new states of entries: the living are found from now on, the tombstones no more."""
        self._replace(changed, lambda entry: entry.is_alive)

    def discard(self, gone: Iterable[Entry]) -> None:
        """Leave out entries, alive or not."""
        self._replace(gone, lambda entry: False)

    def _replace(self, changed: Iterable[Entry], is_kept: Callable[[Entry], bool]) -> None:
        by_key: dict[Key, dict[Identity, Entry]] = {}
        for entry in changed:
            by_key.setdefault(self._key_of(entry), {})[entry.identity] = entry
        for key, states in by_key.items():
            living = [entry for entry in self.find(key) if entry.identity not in states]
            living += filter(is_kept, states.values())
            if living:
                living.sort(key=storage_order)
                self._living[key] = tuple(living)
            else:
                self._living.pop(key, None)
