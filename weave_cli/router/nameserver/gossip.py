"""Name records that wait to be sent (specification dns, section 1; mesh, section 11.4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Self

from weave_cli.router.nameserver.entries import Entry, Identity, merge_entries, without_twins
from weave_cli.router.nameserver.shapes import encode_message, restamp_message

#: Of one message that tells of names. No router takes more than 10 MiB, and while a long one is on its way or
#: is read, no heartbeat is.
_PART_OCTETS: Final = 4 * 1024 * 1024
#: What an entry takes beside its texts, at most: six fields with their numbers and lengths.
_ENTRY_OCTETS: Final = 64


class NameGossip:
    """A set of entries, one per identity; fulfils the role GossipData.

    `timestamp` is that of a broadcast of somebody else, kept while it is passed on; None means the moment
    of sending.
    """

    def __init__(self, entries: Iterable[Entry], timestamp: int | None = None) -> None:
        self._entries = merge_entries(entries)
        self._timestamp = timestamp
        #: The octets as of a second: the complete state goes to several neighbours at once, and again later.
        self._encoded: tuple[int, bytes] | None = None
        #: Empty when it has room in one message.
        self._parts: Sequence[Self] | None = None

    @property
    def entries(self) -> dict[Identity, Entry]:
        return self._entries

    def merge(self, other: Self) -> Self:
        """The newest states of both; the timestamp is the later one."""
        moments = (self._timestamp, other._timestamp)
        later = None if moments[0] is None or moments[1] is None else max(moments[0], moments[1])
        return type(self)([*self._entries.values(), *other._entries.values()], later)

    def split(self) -> Sequence[Self]:
        """Itself, or parts of it: to a receiver every message is only more entries to merge."""
        if self._parts is None:
            fits = sum(map(_octets, self._entries.values())) <= _PART_OCTETS
            portions = () if fits else _portions(self._entries.values())
            self._parts = [type(self)(portion, self._timestamp) for portion in portions]
        return self._parts or (self,)

    def encode(self, now: float) -> bytes:
        """The message as of now."""
        timestamp = int(now) if self._timestamp is None else self._timestamp
        if self._encoded is None or self._encoded[0] != timestamp:
            former = None if self._encoded is None else restamp_message(self._encoded[1], timestamp)
            self._encoded = (timestamp, former or self._encode_anew(timestamp))
        return self._encoded[1]

    def _encode_anew(self, timestamp: int) -> bytes:
        return encode_message(timestamp, without_twins(self._entries.values()))


def _portions(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in lists that fit; those that differ only in case are made one before they part."""
    portion: list[Entry] = []
    room = _PART_OCTETS
    for entry in without_twins(entries):
        if portion and _octets(entry) > room:
            yield portion
            portion, room = [], _PART_OCTETS
        portion.append(entry)
        room -= _octets(entry)
    yield portion


def _octets(entry: Entry) -> int:
    """No fewer than the entry takes in a message."""
    texts = entry.container_id + entry.hostname
    return _ENTRY_OCTETS + len(texts.encode("utf-8", "surrogateescape"))
