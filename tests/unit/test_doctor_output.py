"""Findings as a person sees them, and times as a person writes them."""

from __future__ import annotations

import click
import pytest

from weave_cli.commands.doctor import doctor, parse_duration
from weave_cli.doctor.findings import Category, failure, note, ok
from weave_cli.output.findings import lay_out

pytestmark = pytest.mark.unit


def test_every_verdict_is_a_word_and_each_complaint_tells_what_mends_it() -> None:
    seen = [
        Category(
            name="ports", findings=(ok("a", "free"), failure("b", "taken", why="needed", mend="kill 7"))
        ),
        Category(name="image", findings=(note("c", "none"), note("d", "none"))),
    ]
    assert ["".join(text for _, text in line) for line in lay_out(seen)] == [
        "ports",
        "  ok      free",
        "  FAILURE taken",
        "          why:  needed",
        "          mend: kill 7",
        "",
        "image",
        "  note    none",
        "  note    none",
        "",
        "1 failure, 2 notes, 1 ok",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, 0), ("60", 60), ("60s", 60), ("1.5m", 90), ("2h", 7200), ("0", 0)]
)
def test_time_to_wait(text: str | None, seconds: float) -> None:
    assert parse_duration(click.Context(doctor), doctor.params[0], text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 s", "-5", "5d", "٥"])
def test_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time"):
        parse_duration(click.Context(doctor), doctor.params[0], text)
