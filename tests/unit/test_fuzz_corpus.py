"""What fuzzing has found, given to every parser again."""

from __future__ import annotations

import logging

import pytest

from tests.fuzz import wire
from tests.fuzz.corpus import PARSERS, kept, parser
from tests.fuzz.smallest import smallest
from weave_cli.router.wire.connection import Closed, Introduced, Received
from weave_cli.router.wire.frames import MAX_MESSAGE


@pytest.mark.parametrize("name", PARSERS)
def test_kept_inputs_and_seeds_do_no_harm(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    inputs = kept(name)
    assert len(inputs) > 5
    for data in [*parser(name).seeds(), *inputs, b""]:
        parser(name).check(data)


def test_smallest_keeps_one_input_for_everything_that_is_reached() -> None:
    check = parser("gob").check
    twice = [bytes((4,)) + bytes.fromhex("060a0003010203"), bytes((4,)) + bytes.fromhex("060a0003040506")]
    assert smallest(check, twice) == twice[:1]
    assert smallest(check, [*twice, b"", b"\x04\xff"]) == [b"", b"\x04\xff", twice[0]]


@pytest.mark.parametrize("choice", [choice for choice in range(16) if choice & 4])
def test_the_fuzzed_connection_is_introduced_where_it_should_be(choice: int) -> None:
    octets = wire._introduced(choice, b"\x04gossip")
    events = wire._events(choice, octets, len(octets))
    assert isinstance(events[0], Introduced)
    if not choice & 8:
        assert events[1] == (Received(4, b"gossip") if choice & 2 else Closed(_too_long(b"\x04gos")))


def _too_long(length: bytes) -> str:
    return f"message of {int.from_bytes(length, 'big')} octets exceeds the limit of {MAX_MESSAGE}"
