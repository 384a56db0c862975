"""Slips of fingers that know other programs: what they meant is said, and scripts read what they did."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.fakes.router_http import FakeRouterApi
from weave_cli import __version__
from weave_cli.commands import tree
from weave_cli.commands.guesses import guess
from weave_cli.commands.tree import COMMANDS
from weave_cli.containers import quick
from weave_cli.operations import survey
from weave_cli.settings import read_settings, wants_ascii

pytestmark = pytest.mark.unit

Output = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stauts", "weave status"),
        ("staus", "weave status"),
        ("lunch", "weave launch"),
        ("conect", "weave connect"),
        ("dns-lokup", "weave dns-lookup"),
        ("up", "weave launch"),
        ("down", "weave stop"),
        ("peers", "weave status peers"),
        ("ping", "weave connectivity test"),
        ("logs", "docker logs weave"),
        ("frobnicate", None),
    ],
)
def test_command_that_was_meant_is_guessed(typed: str, meant: str | None) -> None:
    assert guess(typed, COMMANDS) == meant


def test_all_guesses_are_words_that_there_are() -> None:
    from weave_cli.commands import guesses

    assert {line.split()[0] for line in guesses._ELSEWHERE.values()} <= COMMANDS.keys()
    assert not guesses._ELSEWHERE.keys() & COMMANDS.keys()


def test_guess_stands_behind_the_usage_where_it_is_seen(capsys: Output) -> None:
    assert tree.run(["stauts", "peers"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "unknown command: stauts"
    assert lines[-2:] == ["unknown command: stauts", "Did you mean 'weave status'?"]
    assert tree.run(["help", "stauts"]) == 1
    assert capsys.readouterr().err == "unknown command: stauts\nDid you mean 'weave status'?\n"
    assert tree.run(["stauts", "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"] == {
        "code": "unknown-command",
        "message": "unknown command: stauts",
        "hint": "Did you mean 'weave status'?",
    }


@pytest.mark.parametrize("words", [["-h"], ["attach", "-h"], ["help", "-h"], ["launch-proxy", "-h"]])
def test_short_help_is_help_where_it_means_nothing_else(words: list[str], capsys: Output) -> None:
    assert tree.run(words) == 0
    shown = capsys.readouterr().err
    assert shown.startswith("Usage: weave") and "  -h, --help " in shown


def test_short_help_is_the_name_where_the_script_had_it(capsys: Output) -> None:
    assert tree.run(["expose", "-h"]) == 1
    assert capsys.readouterr().err == (
        "Option '-h' requires an argument.\n"
        "Usage: weave expose [OPTIONS] [ADDRESS]...\nTry 'weave expose --help'.\n"
    )


def test_version_is_an_option_too(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(survey, "list_versions", lambda *_: iter([("router", "1.2")]))
    assert tree.run(["--version"]) == 0
    assert capsys.readouterr().out == f"weave script {__version__}\nweave router 1.2\n"
    assert tree.run(["-o", "json", "--version"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["router"] == "1.2"


@pytest.mark.parametrize(
    ("words", "says", "advises"),
    [
        ("attach box 10.2.1.1/24", "an address behind the container: 10.2.1.1/24", "attach 10.2.1.1/24 box"),
        ("detach box net:default", "an address behind the container: net:default", "detach net:default box"),
        ("attach 10.2.1.1 box", "no address: 10.2.1.1", "10.2.1.1/24"),
        ("attach ip:10.2.1.1 box", "no address: ip:10.2.1.1", "ip:10.2.1.1/24"),
        ("start net:defualt box", "no address: net:defualt", "net:default"),
        ("expose 10.2.1.1", "no address: 10.2.1.1", "10.2.1.1/24"),
        ("hide net:", "no address: net:", "net:default"),
    ],
)
def test_address_that_is_none_is_told_what_it_lacks(
    words: str, says: str, advises: str, capsys: Output
) -> None:
    assert tree.run(words.split()) == 1
    first, hint = capsys.readouterr().err.splitlines()
    assert first == says
    assert advises in hint


def test_what_means_nothing_is_done_and_said(api: FakeRouterApi, capsys: Output) -> None:
    api.answers |= {
        "POST /forget": (200, ""),
        "GET /report": (200, '{"Router": {"Targets": ["host2"]}}'),
        "GET /domain": (200, "weave.local."),
        "PUT /name/weave:extern/10.2.1.1": (204, ""),
        "GET /network": (200, "[]"),
    }
    assert tree.run(["forget", "host2", "host9"]) == 0
    assert capsys.readouterr() == ("", "host9 is no target; 'weave status targets' lists them.\n")
    assert ("POST /forget", "peer=host2&peer=host9") in api.asked

    assert tree.run(["dns-add", "10.2.1.1", "-h", "box.example.com"]) == 0
    told = "box.example.com is not in the domain weave.local., so weaveDNS does not take it.\n"
    assert capsys.readouterr() == ("", told)
    assert tree.run(["dns-add", "10.2.1.1", "-h", "Box.WEAVE.local"]) == 0
    assert capsys.readouterr() == ("", "")


def test_empty_word_is_no_container() -> None:
    assert quick.find_running(read_settings({}), "") is None, "and Docker, which would list all, is not asked"


def test_word_that_is_no_text_is_refused(capsys: Output) -> None:
    assert tree.run(["ps", "box\udcff"]) == 1
    assert capsys.readouterr().err == "no text in this locale: '\\udcff'\nNames are letters in UTF-8.\n"


@pytest.mark.parametrize("words", ["version >&-", "version 2>&-", "-o json status >&- 2>&-", "help 2>&-"])
def test_closed_stream_is_nobody_who_listens(words: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m weave_cli {words}"], capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr


def test_full_disk_is_told() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m weave_cli -o json help >/dev/full"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "cannot write the answer: No space left on device\n")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "de_DE.utf8"}, False),
        ({"LANG": "C.UTF-8", "LC_ALL": "C"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({}, True),
    ],
)
def test_locale_says_what_the_terminal_shows(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_ascii() is expected
