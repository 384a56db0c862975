"""What goes to which stream, and the line of progress."""

from __future__ import annotations

import sys

import pytest

from weave_cli.errors import WeaveError
from weave_cli.output.progress import Progress
from weave_cli.output.text import tell_problem

pytestmark = pytest.mark.unit

Output = pytest.CaptureFixture[str]


def test_problem_is_told_first_and_advice_next(capsys: Output) -> None:
    tell_problem(WeaveError("it failed: x", hint="Do y."))
    tell_problem(WeaveError("no advice"))
    assert capsys.readouterr() == ("", "it failed: x\nDo y.\nno advice\n")


def test_progress_is_silent_without_a_terminal_but_notices_are_not(capsys: Output) -> None:
    with Progress() as progress:
        progress.progress("working")
        progress.notice("WARNING: odd")
    assert capsys.readouterr() == ("", "WARNING: odd\n")


def test_progress_on_a_terminal_leaves_no_line(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress() as progress:
        progress.progress("one")
        progress.progress("two")
        progress.notice("note")
        progress.progress("three [of three]")
    out, err = capsys.readouterr()
    assert out == ""
    assert "two ..." in err
    assert "three [of three] ..." in err
    before, _, after = err.partition("note\n")
    erase_line, show_cursor = "\x1b[2K", "\x1b[?25h"
    for part in (before, after):
        assert part.endswith(erase_line)
        assert show_cursor in part
