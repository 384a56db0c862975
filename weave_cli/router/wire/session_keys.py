"""Secrets of one connection: the session key, and messages sealed with it (specification mesh, section 8.1).

Pure: the private key comes from the caller, who draws it for each connection. Nothing here is ever printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from nacl import bindings
from nacl.exceptions import CryptoError

from weave_cli.errors import RemoteProtocolError

#: Octets of private, public and session keys.
KEY_SIZE: Final = bindings.crypto_scalarmult_SCALARBYTES

_FROM_INITIATOR: Final = 0xC0
_FROM_ACCEPTOR: Final = 0x40


@dataclass(frozen=True, slots=True)
class Secret:
    """What a side with a password brings to one connection: the password's octets and a fresh private key."""

    password: bytes = field(repr=False)
    private_key: bytes = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """What the other side is told."""
        return bindings.crypto_scalarmult_base(self.private_key)

    def agree(self, remote_public_key: bytes, *, initiator: bool) -> Seal:
        """The seal of the connection; initiator: whether we dialled. Raises RemoteProtocolError."""
        try:
            shared = bindings.crypto_box_beforenm(remote_public_key, self.private_key)
        except CryptoError as problem:
            # One of the few points that give everybody the same shared key.
            raise RemoteProtocolError("the peer's public key is none") from problem
        return Seal(sha256(shared + self.password).digest(), initiator=initiator)


class Seal:
    """Seals and opens the messages of one connection, each once and in order; nonces are never sent."""

    #: Octets that a message grows by.
    overhead: Final = bindings.crypto_secretbox_MACBYTES

    def __init__(self, session_key: bytes, *, initiator: bool) -> None:
        self.session_key = session_key
        ours, theirs = _FROM_INITIATOR, _FROM_ACCEPTOR
        self._ours, self._theirs = (ours, theirs) if initiator else (theirs, ours)
        self._sealed = 0
        self._opened = 0

    def seal(self, message: bytes) -> bytes:
        """The next message of ours."""
        nonce = _nonce(self._ours, self._sealed)
        self._sealed += 1
        return bindings.crypto_secretbox(message, nonce, self.session_key)

    def open(self, sealed: bytes) -> bytes:
        """The next message of the other side; raises RemoteProtocolError for anything else."""
        try:
            message = bindings.crypto_secretbox_open(
                sealed, _nonce(self._theirs, self._opened), self.session_key
            )
        except CryptoError as problem:
            # The first message shows whether both have the same password; later ones can only be damaged.
            why = "" if self._opened else ": the password of the peer is not ours"
            raise RemoteProtocolError(f"Unable to decrypt TCP msg{why}") from problem
        self._opened += 1
        return message


def _nonce(sender: int, number: int) -> bytes:
    return bytes((sender,)) + bytes(15) + number.to_bytes(8, "big")
