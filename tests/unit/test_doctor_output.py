"""Findings as a person sees them, and times as a person writes them."""

from __future__ import annotations

import pytest

from weave_cli.commands.doctor import doctor
from weave_cli.doctor.findings import Category, failure, note, ok
from weave_cli.errors import UsageProblem
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
    ("words", "seconds"),
    [
        ("", None),
        ("--wait", 60),
        ("--wait 60", 60),
        ("--wait=60s", 60),
        ("--wait 1.5m", 90),
        ("--wait 2h", 7200),
    ],
)
def test_time_to_wait(words: str, seconds: float | None) -> None:
    assert doctor.make_context("doctor", words.split()).params["wait"] == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 s", "-5", "5d", "٥"])
def test_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem, match="is no length of time"):
        doctor.make_context("doctor", [f"--wait={text}"])
