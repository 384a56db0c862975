"""Messages of version 1: octets as values of a gob stream (specification mesh, section 6). Pure.

Octets are of a basic type, so that no definition belongs to them, and none is taken: the table of types of a
stream cannot grow after the features.
"""

from __future__ import annotations

from weave_cli.router.wire.gob_decode import decode_stream
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_types import BYTES


def frame_gob_message(message: bytes) -> bytes:
    """A message as one value."""
    return encode_stream((BYTES, message))


def unframe_gob_message(piece: bytes) -> bytes:
    """The message in one message of the stream; raises GobError for any other value, and for definitions."""
    (message,) = decode_stream(piece, BYTES)
    octets: bytes = message
    return octets


def is_definition(piece: bytes) -> bool:
    """Does this message of a stream define a type, rather than hold a value? Its first number is negative."""
    behind_count = 1 if piece[0] < 128 else 257 - piece[0]
    number = piece[behind_count : behind_count + 1]
    if not number:
        return False
    if number[0] >= 128:
        size = 256 - number[0]
        number = piece[behind_count + size : behind_count + size + 1]
    return bool(number) and number[0] & 1 == 1
