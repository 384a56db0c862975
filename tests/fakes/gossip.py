"""A channel for tests: everybody collects the same growing set of words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName


@dataclass(frozen=True)
class FakeWords:
    """Words that wait to be sent; on the wire they stand sorted, one per line."""

    words: frozenset[str]

    def merge(self, other: Self) -> Self:
        return type(self)(self.words | other.words)

    def split(self) -> tuple[Self]:
        return (self,)

    def encode(self, now: float) -> bytes:
        return "\n".join(sorted(self.words)).encode()


def words(*texts: str) -> FakeWords:
    return FakeWords(frozenset(texts))


def decode_words(data: bytes) -> frozenset[str]:
    """The words of a message; octets that are not ASCII are refused like any bad gossip."""
    if not data.isascii():
        raise RemoteProtocolError("words must be ASCII")
    return frozenset(data.decode().splitlines())


@dataclass
class FakeWordChannel:
    """A Gossiper over the set; records what came in, message by message."""

    known: set[str] = field(default_factory=set)
    unicasts: list[tuple[PeerName, bytes]] = field(default_factory=list)
    broadcasts: list[tuple[PeerName, frozenset[str]]] = field(default_factory=list)
    gossip: list[frozenset[str]] = field(default_factory=list)

    def on_unicast(self, source: PeerName, data: bytes, now: float) -> None:
        decode_words(data)
        self.unicasts.append((source, data))

    def on_broadcast(self, source: PeerName, data: bytes, now: float) -> FakeWords | None:
        received = decode_words(data)
        self.broadcasts.append((source, received))
        self.known |= received
        return FakeWords(received)

    def on_gossip(self, data: bytes, now: float) -> FakeWords | None:
        received = decode_words(data)
        self.gossip.append(received)
        news = received - self.known
        self.known |= news
        return FakeWords(news) if news else None

    def complete_state(self, now: float) -> FakeWords | None:
        return FakeWords(frozenset(self.known)) if self.known else None
