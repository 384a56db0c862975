"""Sealed sleeve packets: nonces, counters, replay windows (specification overlay, 2.2).

The sequence number's highest bit names the stream: set for packets sent with DF. Each stream has its own
numbers, from 0. The nonce: octet 0 is 80 when the sender dialled the TCP connection, else 00; octets 16-23
are the sequence number as sent; zeros between. So a key never sees one nonce twice: not in both directions,
not in both streams, and not on the TCP connection, whose nonces begin with 40 or c0.
"""

from __future__ import annotations

from typing import Final

from nacl.bindings import crypto_secretbox, crypto_secretbox_open
from nacl.exceptions import CryptoError

from weave_cli.errors import RemoteProtocolError
from weave_cli.router.overlay.sleeve_packets import NAME_LEN

_DF_BIT: Final = 1 << 63
_WINDOW_BITS: Final = 20
_OFFSET_MASK: Final = (1 << _WINDOW_BITS) - 1
_SEQUENCE_LEN: Final = 8


class PacketSealer:
    """Seals what we send over one connection."""

    def __init__(self, key: bytes, *, is_initiator: bool, sender: bytes) -> None:
        """`sender` is the packed name of the router that sends, ourselves."""
        self._key = key
        self._nonce_head = _nonce_head(is_initiator)
        self._sender = sender
        self._next = 0
        self._next_df = _DF_BIT

    def seal(self, frames: bytes, *, dont_fragment: bool) -> bytes:
        """The UDP payload that carries this list of frames."""
        if dont_fragment:
            number = self._next_df
            self._next_df += 1
        else:
            number = self._next
            self._next += 1
        sequence = number.to_bytes(_SEQUENCE_LEN, "big")
        return self._sender + sequence + crypto_secretbox(frames, self._nonce_head + sequence, self._key)


class PacketOpener:
    """Opens what the neighbour sends over one connection."""

    def __init__(self, key: bytes, *, is_initiator: bool) -> None:
        """`is_initiator` tells our own role; the neighbour has the other one."""
        self._key = key
        self._nonce_head = _nonce_head(not is_initiator)
        self._seen = ReplayWindow()
        self._seen_df = ReplayWindow()

    def open(self, payload: bytes) -> bytes | None:
        """The list of frames in a UDP payload; None when its number was used before, or is too old.

        RemoteProtocolError when it does not open: forged, damaged, or a stray of an earlier connection.
        """
        sequence = payload[NAME_LEN : NAME_LEN + _SEQUENCE_LEN]
        if len(sequence) < _SEQUENCE_LEN:
            raise RemoteProtocolError(f"sealed sleeve packet of {len(payload)} octets is too short")
        try:
            frames = crypto_secretbox_open(
                payload[NAME_LEN + _SEQUENCE_LEN :], self._nonce_head + sequence, self._key
            )
        except CryptoError as problem:
            raise RemoteProtocolError("sleeve packet does not open with the connection's key") from problem
        number = int.from_bytes(sequence, "big")
        # Only now: a forged number must not move the window.
        window = self._seen_df if number & _DF_BIT else self._seen
        return frames if window.admit(number & ~_DF_BIT) else None


class ReplayWindow:
    """The numbers used in the highest window of 2^20 seen, and in the one just below it."""

    def __init__(self) -> None:
        self._window = 0
        self._used = bytearray()
        self._used_before = bytearray()

    def admit(self, number: int) -> bool:
        """Whether the number is new; it is used from now on."""
        window, offset = number >> _WINDOW_BITS, number & _OFFSET_MASK
        if window == self._window:
            used = self._used
        elif window > self._window:
            self._used_before = self._used if window == self._window + 1 else bytearray()
            self._used = used = bytearray()
            self._window = window
        elif window == self._window - 1:
            used = self._used_before
        else:
            return False
        at, bit = offset >> 3, 1 << (offset & 7)
        if at >= len(used):
            # Grows as numbers come: most connections never see their 131,072 octets.
            used.extend(bytes(at - len(used) + 512))
        elif used[at] & bit:
            return False
        used[at] |= bit
        return True


def _nonce_head(is_initiator: bool) -> bytes:
    """The first 16 octets of nonces of packets that this end sends."""
    return (b"\x80" if is_initiator else b"\0") + bytes(15)
