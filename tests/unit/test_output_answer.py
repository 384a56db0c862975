"""One answer in two forms: words as they come, or one document at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from weave_cli.commands import tree
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import RouterProblem
from weave_cli.interrupts import Interrupted
from weave_cli.operations import survey
from weave_cli.operations.survey import Attachment
from weave_cli.output.answer import Output

pytestmark = pytest.mark.unit

Output_ = pytest.CaptureFixture[str]


def _document(capsys: Output_) -> dict[str, Any]:
    written = capsys.readouterr()
    assert written.err.strip() == ""
    found: dict[str, Any] = json.loads(written.out)
    assert list(found) == ["apiVersion", "kind", "data", "error", "notices", "noticeCodes"]
    assert found["apiVersion"] == "weave/v1"
    return found


def test_text_goes_out_at_once_and_as_it_is(capsys: Output_) -> None:
    output = Output()
    output.show("line")
    output.tell("note")
    output.answer("Kind", {"never": "seen"}, text=lambda: "no newline")
    output.fail(RouterProblem("it failed", hint="Do this."))
    assert capsys.readouterr() == ("line\nno newline", "note\nit failed\nDo this.\n")
    output.finish()
    assert capsys.readouterr() == ("", "")


def test_document_has_all_of_it_and_comes_at_the_end(capsys: Output_) -> None:
    output = Output(is_json=True)
    output.show("line")
    output.tell("note")
    output.tell("waited", NoticeCode.WAITING)
    output.answer("Kind", {"letter": "ü"}, text="unseen")
    output.fail(RouterProblem("it failed", hint="Do this.", code=Code.ROUTER_STOPPED))
    assert capsys.readouterr() == ("", "")
    output.finish()
    found = _document(capsys)
    assert (found["kind"], found["data"], found["notices"]) == ("Kind", {"letter": "ü"}, ["note", "waited"])
    assert found["noticeCodes"] == ["note", "waiting"]
    assert found["error"] == {"code": "router-stopped", "message": "it failed", "hint": "Do this."}


@pytest.mark.parametrize(
    "words", [["-o", "json", "ps"], ["ps", "-o", "json"], ["--output=json", "ps"], ["ps", "--output", "json"]]
)
def test_option_stands_before_the_command_or_behind(
    words: Sequence[str], monkeypatch: pytest.MonkeyPatch, capsys: Output_
) -> None:
    there = [Attachment(owner="weave:expose", mac="7a:00:00:00:00:01", addresses=())]
    monkeypatch.setattr(survey, "list_attachments", lambda names, _: there)
    assert tree.run(words) == 0
    found = _document(capsys)
    assert found["kind"] == "Interfaces" and found["error"] is None
    assert found["data"] == {
        "interfaces": [{"owner": "weave:expose", "mac": "7a:00:00:00:00:01", "addresses": []}]
    }


def test_last_spelling_counts(capsys: Output_) -> None:
    assert tree.run(["-o", "json", "launch-dns", "-o", "text"]) == 0
    assert capsys.readouterr().err.startswith("The 'launch-dns' command has been removed")


def test_what_does_something_says_that_it_is_done(monkeypatch: pytest.MonkeyPatch, capsys: Output_) -> None:
    monkeypatch.setattr("weave_cli.operations.asking.ask_router", lambda *_: None)
    assert tree.run(["connect", "host2", "-o", "json"]) == 0
    found = _document(capsys)
    assert (found["kind"], found["data"], found["error"]) == ("Done", {"command": "connect"}, None)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["-o", "json"], "usage"),
        (["lunch", "-o", "json"], "unknown-command"),
        (["-o", "json", "lunch"], "unknown-command"),
        (["ps", "--nonsense", "-o", "json"], "usage"),
        (["-ojson", "attach"], "usage"),
        (["launch", "--name=x", "--output=json"], "bad-peer-name"),
    ],
)
def test_wrong_words_are_a_document_too(words: Sequence[str], code: str, capsys: Output_) -> None:
    assert tree.run(words) == 1
    found = _document(capsys)
    assert (found["kind"], found["data"]) == ("Error", None)
    assert found["error"]["code"] == code and found["error"]["message"]


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted(15, "nothing was changed"), 143, "interrupted"),
        (ZeroDivisionError("x"), 1, "defect"),
    ],
)
def test_sudden_ends_are_a_document_too(
    raised: BaseException, status: int, code: str, monkeypatch: pytest.MonkeyPatch, capsys: Output_
) -> None:
    def fail(*_: Any) -> None:
        raise raised

    monkeypatch.setattr(survey, "list_attachments", fail)
    assert tree.run(["ps", "-o", "json"]) == status
    assert _document(capsys)["error"]["code"] == code


@pytest.mark.parametrize("words", [["dns-args", "-o", "json"], ["dns-args", "-efoo=json"]])
def test_words_for_docker_are_not_ours(
    words: Sequence[str], monkeypatch: pytest.MonkeyPatch, capsys: Output_
) -> None:
    monkeypatch.setattr("weave_cli.operations.naming.make_dns_arguments", lambda given, *_: " ".join(given))
    assert tree.run(words) == 0
    assert capsys.readouterr() == (" ".join(words[1:]), "")
