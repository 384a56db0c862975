"""Gob streams of every kind of type; what was read is written and read again."""

from __future__ import annotations

from tests.fuzz.seeds import recorded, with_choice
from tests.unit.test_wire_gob import INNER, KEY, SAMPLE
from weave_cli.router.wire.gob_decode import decode_stream
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_types import (
    BYTES,
    STRING,
    UINT,
    GobError,
    GobType,
    MapOf,
    SliceOf,
)

_KINDS: tuple[GobType, ...] = (
    SAMPLE,
    MapOf(KEY, INNER),
    SliceOf(SliceOf(MapOf(UINT, STRING))),
    MapOf(STRING, STRING),
    BYTES,
)


def seeds() -> list[bytes]:
    return with_choice(recorded("gob-basics"), len(_KINDS))


def check(data: bytes) -> None:
    kind = _KINDS[data[0] % len(_KINDS)] if data else STRING
    try:
        (value,) = decode_stream(data[1:], kind)
    except GobError:
        return
    assert decode_stream(encode_stream((kind, value)), kind) == (value,)
