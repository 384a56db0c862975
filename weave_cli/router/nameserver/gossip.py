"""Name records that wait to be sent (specification dns, section 1; mesh, section 11.4). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from weave_cli.router.nameserver.entries import Entry, Identity, merge_entries, without_twins
from weave_cli.router.nameserver.shapes import encode_message, restamp_message


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

    @property
    def entries(self) -> dict[Identity, Entry]:
        return self._entries

    def merge(self, other: Self) -> Self:
        """The newest states of both; the timestamp is the later one."""
        moments = (self._timestamp, other._timestamp)
        later = None if moments[0] is None or moments[1] is None else max(moments[0], moments[1])
        return type(self)([*self._entries.values(), *other._entries.values()], later)

    def encode(self, now: float) -> bytes:
        """The message as of now."""
        timestamp = int(now) if self._timestamp is None else self._timestamp
        if self._encoded is None or self._encoded[0] != timestamp:
            former = None if self._encoded is None else restamp_message(self._encoded[1], timestamp)
            self._encoded = (timestamp, former or self._encode_anew(timestamp))
        return self._encoded[1]

    def _encode_anew(self, timestamp: int) -> bytes:
        return encode_message(timestamp, without_twins(self._entries.values()))
