"""What was left behind on this host, counted for `weave status`. Pure: reconcile finds and removes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from weave_cli.leaks import KINDS
from weave_cli.plugin.protocol import Reply


class LeakBook:
    """Suspected: seen at the last look, and not sure yet; removed: since this plugin started."""

    def __init__(self) -> None:
        self._suspected: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()

    def suspect(self, found: Mapping[str, Collection[object]]) -> None:
        """In place of what was suspected before; found: by kind."""
        self._suspected = Counter({kind: len(things) for kind, things in found.items()})

    def note_removed(self, found: Mapping[str, Collection[object]]) -> None:
        """They are no suspects any more."""
        counted = Counter({kind: len(things) for kind, things in found.items()})
        self._suspected -= counted
        self._removed += counted

    async def tell(self, _body: Mapping[str, object]) -> Reply:
        """Not a call of Docker's; its reply is `tell_now`."""
        return self.tell_now()

    def tell_now(self) -> Reply:
        """As JSON: `{"suspected": {"addresses": 1, ..}, "removed": {..}}`."""
        return {
            "suspected": {kind: self._suspected[kind] for kind in KINDS},
            "removed": {kind: self._removed[kind] for kind in KINDS},
        }
