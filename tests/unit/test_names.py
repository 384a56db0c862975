"""Peer names, as Go routers parse them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.load import load
from weave_cli.errors import UsageProblem
from weave_cli.names import format_peer_name, pack_peer_name, parse_peer_name, unpack_peer_name

#: Where we differ on purpose.
STRICTER = {" 00:00:00:00:00:01": "a blank before a name is a slip that Go's scanner happens to skip"}


@pytest.mark.parametrize("vector", load("peer-names")["vectors"], ids=lambda one: repr(one["input"]))
def test_names_are_read_as_the_go_routers_do(vector: dict[str, Any]) -> None:
    text = vector["input"]
    if "error" in vector or text in STRICTER:
        with pytest.raises(UsageProblem, match=r"^invalid peer name: ") as problem:
            parse_peer_name(text)
        assert repr(text) in str(problem.value)
        assert problem.value.hint
    else:
        assert parse_peer_name(text) == vector["uint64"]
        assert format_peer_name(parse_peer_name(text)) == vector["name"]


@given(st.integers(0, (1 << 48) - 1))
def test_every_name_survives_text_and_octets(name: int) -> None:
    assert parse_peer_name(format_peer_name(name)) == name
    assert unpack_peer_name(pack_peer_name(name)) == name


@given(st.text(alphabet="0123456789abcdefABCDEFg:. \n٣", max_size=20) | st.text(max_size=20))
def test_any_text_is_a_name_or_a_usage_problem(text: str) -> None:
    try:
        name = parse_peer_name(text)
    except UsageProblem:
        return
    assert 0 <= name < 1 << 48
    assert set(text) <= set("0123456789abcdefABCDEF:")
