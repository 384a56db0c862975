"""Lengths of time in words."""

from __future__ import annotations

import pytest

from weave_cli.durations import format_duration, looks_like_duration, parse_duration
from weave_cli.errors import UsageProblem

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("2m", 120), ("1m30s", 90), ("500ms", 0.5), ("45", 45), ("0.5", 0.5), ("1h", 3600)],
)
def test_words_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "5x", "-1s", "1s2", "host2", "10.0.0.1", "٣s", "1 s"])
def test_other_words_are_refused_by_name(text: str) -> None:
    assert not looks_like_duration(text)
    with pytest.raises(UsageProblem, match="no length of time") as caught:
        parse_duration(text)
    assert repr(text) in str(caught.value)


def test_seconds_are_written_short() -> None:
    assert [format_duration(2.0), format_duration(0.5)] == ["2s", "0.5s"]
