"""Which of several passwords counts."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from weave_cli.containers.specs import RouterOptions
from weave_cli.errors import UsageProblem
from weave_cli.operations.passwords import choose_password
from weave_cli.settings import Settings, read_settings

NOTHING = read_settings({})
FROM_ENVIRONMENT = read_settings({"WEAVE_PASSWORD": "outer"})


@pytest.fixture
def file(tmp_path: Path) -> str:
    made = tmp_path / "password"
    made.touch(mode=0o600)
    made.write_text("from file\n")
    return str(made)


@pytest.mark.parametrize(
    ("settings", "word", "password"),
    [
        (NOTHING, None, None),
        (NOTHING, "", None),
        (NOTHING, "word", b"word"),
        (FROM_ENVIRONMENT, None, b"outer"),
        (FROM_ENVIRONMENT, "word", b"word"),
        (FROM_ENVIRONMENT, "", None),
        (NOTHING, "pässwörd ☃", "pässwörd ☃".encode()),
        (NOTHING, "\udcff", b"\xff"),
    ],
)
def test_most_explicit_word_counts(settings: Settings, word: str | None, password: bytes | None) -> None:
    assert choose_password(RouterOptions(password=word), settings) == password


def test_file_counts_before_the_environment(file: str) -> None:
    assert choose_password(RouterOptions(password_file=file), FROM_ENVIRONMENT) == b"from file"


def test_two_passwords_at_once_are_refused(file: str) -> None:
    with pytest.raises(UsageProblem, match="contradict each other"):
        choose_password(RouterOptions(password_file=file, password="x"), NOTHING)


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"from a pipe\n")))
    assert choose_password(RouterOptions(password_file="-"), NOTHING) == b"from a pipe"
    with pytest.raises(UsageProblem, match="standard input is empty"):
        choose_password(RouterOptions(password_file="-"), NOTHING)
