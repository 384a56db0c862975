"""One connection of the mesh, sans I/O: octets and time in; events, octets and the next alarm out.

Stages (specification mesh, sections 3 to 6): header; in version 2 the encryption flag and, with a password,
the public key; features; then messages. Nobody waits for the other more than it must: headers leave at once,
the rest as soon as the version is known, sealed features when the other side's key is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from weave_cli.errors import LocalProtocolError, RemoteProtocolError
from weave_cli.router.wire.frames import MAX_FEATURES, MAX_MESSAGE, ReceiveBuffer, frame_message
from weave_cli.router.wire.gob_messages import frame_gob_message, is_definition, unframe_gob_message
from weave_cli.router.wire.guards import check_outgoing, count_common_overlays
from weave_cli.router.wire.intro import (
    HEADER_SIZE,
    HIGHEST_VERSION,
    LOWEST_VERSION,
    NO_PASSWORD,
    PROTOCOL_MAGIC,
    PUBLIC_KEY_SIZE,
    WITH_PASSWORD,
    Features,
    check_encryption,
    negotiate_version,
)
from weave_cli.router.wire.messages import Tag

if TYPE_CHECKING:
    # The room that loads the cryptography; only who has a password enters it.
    from weave_cli.router.wire.session_keys import Seal, Secret

#: Seconds (specification mesh, section 16).
HEADER_TIMEOUT_S: Final = 10.0
READ_TIMEOUT_S: Final = 60.0
HEARTBEAT_INTERVAL_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Introduced:
    """The other side has said who it is; messages may flow.

    connection_uid: the same number on both sides. session_key: 32 octets, None without password.
    """

    features: Features
    connection_uid: int
    session_key: bytes | None = field(default=None, repr=False)


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
    KEY = "public key"
    FEATURES = "features"
    MESSAGES = "messages"
    CLOSED = "closed"


class WireConnection:
    """The five verbs: receive, send, next_event, next_wake, on_wake; and data_to_send."""

    def __init__(
        self,
        *,
        initiator: bool,
        features: Features,
        now: float,
        secret: Secret | None = None,
        lowest_version: int = LOWEST_VERSION,
    ) -> None:
        """initiator: whether we dialled. features: how we introduce ourselves. secret: with a password."""
        self.initiator = initiator
        self._features = features
        self._secret = secret
        self._lowest_version = lowest_version
        self._version = HIGHEST_VERSION
        self._seal: Seal | None = None
        self._common_overlays: int | None = None
        self._stage = _Stage.HEADER
        self._incoming = ReceiveBuffer()
        self._definitions = bytearray()
        self._events: deque[WireEvent] = deque()
        self._read_by = now + HEADER_TIMEOUT_S
        self._heartbeat_at: float | None = None
        self._outgoing = bytearray(PROTOCOL_MAGIC + bytes((lowest_version, HIGHEST_VERSION)))

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
        """The other side has closed, or reset, the connection."""
        self._close(f"connection closed by peer{self._what_was_awaited()}")

    def send(self, tag: int, payload: bytes, now: float) -> None:
        """Queue a message; raises LocalProtocolError before the introduction and for what must not go out."""
        if self._stage is _Stage.CLOSED:
            return
        if self._stage is not _Stage.MESSAGES:
            raise LocalProtocolError(f"message with tag {tag} before the introduction")
        check_outgoing(tag, payload, self._common_overlays)
        if len(payload) + 1 + self._overhead > MAX_MESSAGE:
            raise LocalProtocolError(
                f"message of {len(payload) + 1 + self._overhead} octets exceeds the limit of {MAX_MESSAGE}"
            )
        self._put(bytes((tag,)) + payload)

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

    # Stages

    def _advance(self, now: float) -> bool:
        """Take the next piece if it has all come; True when it had."""
        match self._stage:
            case _Stage.HEADER:
                if (piece := self._incoming.take(HEADER_SIZE)) is None:
                    return False
                self._begin(negotiate_version(piece, lowest=self._lowest_version))
            case _Stage.FLAG:
                if (piece := self._incoming.take(len(WITH_PASSWORD))) is None:
                    return False
                self._check_flag(piece)
            case _Stage.KEY:
                if (piece := self._incoming.take(PUBLIC_KEY_SIZE)) is None:
                    return False
                self._agree(piece)
                self._put(self._features.encode())
                self._stage = _Stage.FEATURES
            case _Stage.FEATURES:
                if not self._take_features(now):
                    return False
            case _Stage.MESSAGES:
                if (message := self._take_message(MAX_MESSAGE)) is None:
                    return False
                if message and message[0] != Tag.HEARTBEAT:
                    self._events.append(Received(message[0], message[1:]))
            case _Stage.CLOSED:
                return False
        # Each complete piece renews the deadline, so that a peer cannot hold us with single octets.
        self._read_by = now + READ_TIMEOUT_S
        if self._heartbeat_at is not None:
            # A clock that was set back must not keep our next heartbeat away for as long.
            self._heartbeat_at = min(self._heartbeat_at, now + HEARTBEAT_INTERVAL_S)
        return True

    def _begin(self, version: int) -> None:
        """The headers tell the version: say what comes before features, and these if they go in clear."""
        self._version = version
        public_key = None if self._secret is None else self._secret.public_key
        if version == 1:
            self._outgoing += self._features.encode_version_1(public_key)
            self._stage = _Stage.FEATURES
            return
        if public_key is None:
            self._outgoing += NO_PASSWORD
            self._put(self._features.encode())
        else:
            self._outgoing += WITH_PASSWORD + public_key
        self._stage = _Stage.FLAG

    def _check_flag(self, flag: bytes) -> None:
        if flag not in (NO_PASSWORD, WITH_PASSWORD):
            raise RemoteProtocolError(f"invalid encryption flag {flag[0]}")
        check_encryption(ours=self._secret is not None, theirs=flag == WITH_PASSWORD)
        self._stage = _Stage.FEATURES if self._secret is None else _Stage.KEY

    def _agree(self, public_key: bytes) -> None:
        assert self._secret is not None
        self._seal = self._secret.agree(public_key, initiator=self.initiator)

    def _take_features(self, now: float) -> bool:
        if self._version > 1:
            message = self._take_message(MAX_FEATURES)
            if message is not None:
                self._introduce(Features.decode(message), now)
            return message is not None
        # Version 1: definitions of types, each a message, then the value. They all count towards the limit.
        while (piece := self._incoming.take_gob_message(MAX_FEATURES - len(self._definitions))) is not None:
            if not is_definition(piece):
                remote, public_key = Features.decode_version_1(bytes(self._definitions) + piece)
                check_encryption(ours=self._secret is not None, theirs=public_key is not None)
                if public_key is not None:
                    self._agree(public_key)
                self._introduce(remote, now)
                return True
            self._definitions += piece
        return False

    def _introduce(self, remote: Features, now: float) -> None:
        self._stage = _Stage.MESSAGES
        self._heartbeat_at = now + HEARTBEAT_INTERVAL_S
        self._common_overlays = count_common_overlays(self._features, remote)
        key = None if self._seal is None else self._seal.session_key
        self._events.append(Introduced(remote, self._features.conn_id ^ remote.conn_id, key))

    # Messages

    @property
    def _overhead(self) -> int:
        return 0 if self._seal is None else self._seal.overhead

    def _put(self, message: bytes) -> None:
        if self._seal is not None:
            message = self._seal.seal(message)
        self._outgoing += frame_message(message) if self._version > 1 else frame_gob_message(message)

    def _take_message(self, limit: int) -> bytes | None:
        if self._version > 1:
            message = self._incoming.take_message(limit)
        else:
            piece = self._incoming.take_gob_message(limit)
            message = None if piece is None else unframe_gob_message(piece)
        if message is None or self._seal is None:
            return message
        return self._seal.open(message)

    def _what_was_awaited(self) -> str:
        """Go routers that cannot agree on encryption may leave before their own part of it arrives."""
        match self._stage:
            case _Stage.MESSAGES:
                return ""
            case _Stage.FLAG:
                guess = "; were both launched with a password, or both without?"
            case _Stage.KEY | _Stage.FEATURES if self._secret is not None:
                guess = "; does it have our password?"
            case _:
                guess = ""
        return f" while waiting for the {self._stage.value}{guess}"

    def _close(self, reason: str) -> None:
        if self._stage is not _Stage.CLOSED:
            self._stage = _Stage.CLOSED
            self._events.append(Closed(reason))
