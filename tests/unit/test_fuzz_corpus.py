"""What fuzzing has found, given to every parser again."""

from __future__ import annotations

import logging

import pytest

from tests.fuzz.corpus import PARSERS, kept, parser
from tests.fuzz.smallest import smallest


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
