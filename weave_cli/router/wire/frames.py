"""Octets of a TCP stream cut into pieces: fixed sizes first, then messages. Pure.

Version 2 sends messages behind their length, version 1 those of a gob stream (specification mesh, sections 5
and 6).
"""

from __future__ import annotations

from typing import Final

from weave_cli.errors import RemoteProtocolError

#: Largest message, octets (specification mesh, section 5). Version 1 has no limit of its own.
MAX_MESSAGE: Final = 10 * 1024 * 1024
#: Largest features message that we wait for. They take some hundred octets, and until they have come the
#: other side may be anybody, many times at once.
MAX_FEATURES: Final = 64 * 1024


class ReceiveBuffer:
    """What came and was not yet taken."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        # Taken octets go here, in one move for many messages.
        if self._at:
            del self._data[: self._at]
            self._at = 0
        self._data += data

    def take(self, count: int) -> bytes | None:
        """Exactly `count` octets, or None while they have not all come."""
        end = self._at + count
        if end > len(self._data):
            return None
        piece = bytes(self._data[self._at : end])
        self._at = end
        return piece

    def take_message(self, limit: int = MAX_MESSAGE) -> bytes | None:
        """The next message without its length; raises RemoteProtocolError for one that is too long."""
        if len(self._data) - self._at < 4:
            return None
        size = int.from_bytes(self._data[self._at : self._at + 4], "big")
        _check_size(size, limit)
        if len(self._data) - self._at < 4 + size:
            return None
        self._at += 4
        return self.take(size)

    def take_gob_message(self, limit: int = MAX_MESSAGE) -> bytes | None:
        """The next message of a gob stream with its octet count; raises RemoteProtocolError."""
        if self._at == len(self._data):
            return None
        first = self._data[self._at]
        behind_count = self._at + 1
        size = first
        if first > 127:
            behind_count += 256 - first
            if behind_count - self._at > 9:
                raise RemoteProtocolError(f"message size of {256 - first} octets")
            if behind_count > len(self._data):
                return None
            size = int.from_bytes(self._data[self._at + 1 : behind_count], "big")
        _check_size(size, limit)
        return self.take(behind_count - self._at + size)


def frame_message(message: bytes) -> bytes:
    """A message behind its length."""
    return len(message).to_bytes(4, "big") + message


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise RemoteProtocolError(f"message of {size} octets exceeds the limit of {limit}")
