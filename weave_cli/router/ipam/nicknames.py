"""What peers call themselves, as far as the talk about addresses tells it. Knows no ring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from weave_cli.errors import UsageProblem
from weave_cli.names import UNKNOWN_PEER, PeerName, format_peer_name, parse_peer_name


class Nicknames:
    """Names and nicknames of us and of all that we heard of; kept while a peer owns something."""

    def __init__(self, us: PeerName, nickname: str) -> None:
        self._us = us
        self._nicknames: dict[PeerName, str] = {us: nickname}

    def __iter__(self) -> Iterator[PeerName]:
        return iter(self._nicknames)

    def as_dict(self) -> dict[PeerName, str]:
        return dict(self._nicknames)

    def learn(self, nicknames: Mapping[PeerName, str]) -> None:
        """Believe what others say, except about ourselves."""
        self._nicknames.update((name, nick) for name, nick in nicknames.items() if name != self._us)

    def forget(self, names: Iterable[PeerName], *, but: Iterable[PeerName]) -> None:
        """Drop peers; never ourselves, nor those that still own something."""
        kept = {self._us, *but}
        for name in list(names):
            if name not in kept:
                self._nicknames.pop(name, None)

    def of(self, name: PeerName) -> str:
        return self._nicknames.get(name, "")

    def label(self, name: PeerName | None) -> str:
        """`name (nickname)` for sentences, or `name` alone."""
        known = UNKNOWN_PEER if name is None else name
        nickname = f" ({self._nicknames[known]})" if known in self._nicknames else ""
        return f"{format_peer_name(known)}{nickname}"

    def find(self, text: str, is_known: Callable[[PeerName], bool]) -> PeerName | None:
        """The peer that an operator means by a nickname, else by a name; None when there is no such.

        A host that was made anew has the nickname of its dead predecessor: the dead one is meant.
        """
        matching = [name for name, nickname in self._nicknames.items() if nickname == text]
        if matching:
            return min(matching, key=lambda name: (name == self._us, is_known(name)))
        try:
            return parse_peer_name(text)
        except UsageProblem:
            return None
