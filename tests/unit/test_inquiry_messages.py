"""Questions and answers on the wire: what was encoded is decoded, and nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_cli.errors import RemoteProtocolError
from weave_cli.router.inquiry.messages import Answer, Question, decode_message, encode_message

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "message",
    [
        Question(number=7, want="facts"),
        Question(number=0, want="something of the future"),
        Answer(number=(1 << 53) - 1, content={"time": 1.5, "routes": [{"route": "10.0.0.0/8"}], "name": "ü"}),
    ],
)
def test_message_survives_the_wire(message: Question | Answer) -> None:
    assert decode_message(encode_message(message)) == message


def test_answer_that_is_too_long_says_so_instead() -> None:
    octets = encode_message(Answer(number=7, content={"text": "x" * 40_000}))
    assert decode_message(octets) == Answer(number=7, content={"problem": "the answer is too long"})


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"7",
        b'{"ask": 7}',
        b'{"ask": "7", "want": "facts"}',
        b'{"ask": -1, "want": "facts"}',
        b'{"ask": 9007199254740992, "want": "facts"}',
        b'{"answer": 7, "content": []}',
        b'{"answer": 7, "content": {"time": 1e999}}',
        b'{"answer": 7, "content": {"time": [-Infinity]}}',
        b'{"answer": 7, "content": {"time": NaN}}',
        b"[" * 20_000,
        b" " * 32_769,
    ],
)
def test_anything_else_ends_the_connection(octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="inquiry"):
        decode_message(octets)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_octets_do_worse_than_end_the_connection(octets: bytes) -> None:
    try:
        decode_message(octets)
    except RemoteProtocolError:
        return
    assert isinstance(decode_message(octets), Question | Answer)
