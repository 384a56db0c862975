"""One connection of the mesh, sans I/O: octets and time in; events, octets and the next alarm out.

Stages (specification mesh, sections 3 to 5): header, encryption flag, features, then messages. Both sides
send their header, flag and features at once; nobody waits for the other. Version 2 without password.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

from weave_cli.errors import LocalProtocolError, RemoteProtocolError
from weave_cli.router.wire.frames import MAX_FEATURES, MAX_MESSAGE, ReceiveBuffer, frame_message
from weave_cli.router.wire.intro import (
    HEADER_SIZE,
    HIGHEST_VERSION,
    LOWEST_VERSION,
    PROTOCOL_MAGIC,
    Features,
    negotiate_version,
)
from weave_cli.router.wire.messages import Tag

#: Seconds (specification mesh, section 16).
HEADER_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 60.0
HEARTBEAT_INTERVAL_S: Final = 30.0

_NO_PASSWORD: Final = b"\x00"
_WITH_PASSWORD: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class Introduced:
    """The other side has said who it is; messages may flow. The uid is the same number on both sides."""

    features: Features
    connection_uid: int


@dataclass(frozen=True, slots=True)
class Received:
    """A message other than a heartbeat."""

    tag: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over; nothing follows."""

    reason: str


WireEvent = Introduced | Received | Closed


class _Stage(Enum):
    HEADER = "protocol header"
    FLAG = "encryption flag"
    FEATURES = "features"
    MESSAGES = "messages"
    CLOSED = "closed"


class WireConnection:
    """The five verbs: receive, send, next_event, next_wake, on_wake; and data_to_send."""

    def __init__(self, *, initiator: bool, features: Features, now: float) -> None:
        """initiator: whether we dialled. features: how we introduce ourselves."""
        self.initiator = initiator
        self._features = features
        self._stage = _Stage.HEADER
        self._incoming = ReceiveBuffer()
        self._events: deque[WireEvent] = deque()
        self._read_by = now + HEADER_TIMEOUT_S
        self._heartbeat_at: float | None = None
        header = PROTOCOL_MAGIC + bytes((LOWEST_VERSION, HIGHEST_VERSION))
        self._outgoing = bytearray(header + _NO_PASSWORD + frame_message(features.encode()))

    def receive(self, data: bytes, now: float) -> None:
        """Octets from the other side."""
        if self._stage is _Stage.CLOSED:
            return
        self._incoming.feed(data)
        try:
            while self._advance(now):
                pass
        except RemoteProtocolError as problem:
            self._close(str(problem))

    def receive_eof(self, now: float) -> None:
        """The other side has closed."""
        where = "" if self._stage is _Stage.MESSAGES else f" while waiting for the {self._stage.value}"
        self._close(f"connection closed by peer{where}")

    def send(self, tag: int, payload: bytes, now: float) -> None:
        """Queue a message; raises LocalProtocolError before the introduction or when it is too long."""
        if self._stage is _Stage.CLOSED:
            return
        if self._stage is not _Stage.MESSAGES:
            raise LocalProtocolError(f"message with tag {tag} before the introduction")
        if len(payload) >= MAX_MESSAGE:
            raise LocalProtocolError(
                f"message of {len(payload) + 1} octets exceeds the limit of {MAX_MESSAGE}"
            )
        self._outgoing += frame_message(bytes((tag,)) + payload)

    def data_to_send(self) -> bytes:
        """Octets for the other side, each given once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def next_event(self) -> WireEvent | None:
        return self._events.popleft() if self._events else None

    def next_wake(self) -> float | None:
        """When on_wake wants to be called, on the clock that `now` is read from."""
        if self._stage is _Stage.CLOSED:
            return None
        return self._read_by if self._heartbeat_at is None else min(self._read_by, self._heartbeat_at)

    def on_wake(self, now: float) -> None:
        if self._stage is _Stage.CLOSED:
            return
        if now >= self._read_by:
            self._close(f"timeout: nothing received while waiting for the {self._stage.value}")
        elif self._heartbeat_at is not None and now >= self._heartbeat_at:
            self.send(Tag.HEARTBEAT, b"", now)
            self._heartbeat_at = now + HEARTBEAT_INTERVAL_S

    def _advance(self, now: float) -> bool:
        """Take the next piece if it has all come; True when it had."""
        match self._stage:
            case _Stage.HEADER:
                piece = self._incoming.take(HEADER_SIZE)
                if piece is None:
                    return False
                negotiate_version(piece)
                self._stage = _Stage.FLAG
            case _Stage.FLAG:
                piece = self._incoming.take(1)
                if piece is None:
                    return False
                self._check_flag(piece)
                self._stage = _Stage.FEATURES
            case _Stage.FEATURES:
                piece = self._incoming.take_message(MAX_FEATURES)
                if piece is None:
                    return False
                self._introduce(Features.decode(piece), now)
            case _Stage.MESSAGES:
                piece = self._incoming.take_message()
                if piece is None:
                    return False
                if piece and piece[0] != Tag.HEARTBEAT:
                    self._events.append(Received(piece[0], piece[1:]))
            case _Stage.CLOSED:
                return False
        # Each complete piece renews the deadline, so that a peer cannot hold us with single octets.
        self._read_by = now + READ_TIMEOUT_S
        if self._heartbeat_at is not None:
            # A clock that was set back must not keep our next heartbeat away for as long.
            self._heartbeat_at = min(self._heartbeat_at, now + HEARTBEAT_INTERVAL_S)
        return True

    def _check_flag(self, flag: bytes) -> None:
        if flag == _WITH_PASSWORD:
            raise RemoteProtocolError("the peer was launched with a password and we were not")
        if flag != _NO_PASSWORD:
            raise RemoteProtocolError(f"invalid encryption flag {flag[0]}")

    def _introduce(self, remote: Features, now: float) -> None:
        self._stage = _Stage.MESSAGES
        self._heartbeat_at = now + HEARTBEAT_INTERVAL_S
        self._events.append(Introduced(remote, self._features.conn_id ^ remote.conn_id))

    def _close(self, reason: str) -> None:
        if self._stage is not _Stage.CLOSED:
            self._stage = _Stage.CLOSED
            self._events.append(Closed(reason))
