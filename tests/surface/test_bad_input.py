"""Each bad input of the specification: what is said first, on which stream, with which exit status and code.

Those that need containers or a kernel are in tests/lab/test_bad_input.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from tests.documents import read_document
from tests.fakes.router_http import FakeRouterApi, serving
from weave_cli.commands import tree
from weave_cli.commands.tree import COMMANDS, PLUMBING, weave
from weave_cli.containers import quick

pytestmark = pytest.mark.surface

Written = pytest.CaptureFixture[str]

_ABSENT = "weave container is not present. Have you launched it?"
_STOPPED = "weave container is not running."
_RESTARTING = "weave container is restarting."

#: Of each command that asks the router: words, and the exit status while its container is stopped.
_ASKING = {
    "status": 1,
    "status peers": 1,
    "report": 1,
    "report -f {{.Version}}": 1,
    "connect host2": 1,
    "connect --replace": 1,
    "forget host2": 1,
    "rmpeer host2": 1,
    "prime": 1,
    "dns-lookup web": 1,
    "dns-add 10.2.1.1 -h web.weave.local": 2,
    "dns-remove 10.2.1.1 -h web.weave.local": 2,
    "dns-add box": 2,
}

#: Words that are refused before anything is asked or done; the first line on stderr begins so; the code.
_WORDS = {
    # numbers of words
    "connect": ("connect needs at least one peer", "usage"),
    "forget": ("Missing argument 'PEER...'", "usage"),
    "rmpeer": ("Missing argument 'PEER...'", "usage"),
    "dns-lookup": ("Missing argument 'NAME'", "usage"),
    "attach": ("which container?", "usage"),
    "attach net:default": ("which container?", "usage"),
    "attach 10.2.1.1/24 box other": ("one container, please: box other", "usage"),
    "attach 10.2.1.1 box": ("no address: 10.2.1.1\nIt has no prefix length", "usage"),
    "detach": ("which container?", "usage"),
    "start": ("which container?", "usage"),
    "start one two": ("one container, please: one two", "usage"),
    "restart": ("Missing argument 'CONTAINER'", "usage"),
    "restart one two": ("Got unexpected extra argument (two)", "usage"),
    "run": ("which image?", "usage"),
    "run 10.2.1.1/24": ("which image?", "usage"),
    "expose box": ("no address: box", "usage"),
    "hide 10.2.1.1": ("no address: 10.2.1.1", "usage"),
    "dns-add": ("needs a container, or addresses and -h FQDN", "usage"),
    "dns-add 10.2.1.1": ("needs a container, or addresses and -h FQDN", "usage"),
    "dns-add one two": ("one container, please: one two", "usage"),
    "dns-remove -h web.weave.local": ("needs a container, or addresses and -h FQDN", "usage"),
    "version x": ("Got unexpected extra argument (x)", "usage"),
    "setup x": ("Got unexpected extra argument (x)", "usage"),
    "stop now": ("Got unexpected extra argument (now)", "usage"),
    "stop-router x": ("Got unexpected extra argument (x)", "usage"),
    "stop-plugin x": ("Got unexpected extra argument (x)", "usage"),
    "reset x": ("Got unexpected extra argument (x)", "usage"),
    "prime x": ("Got unexpected extra argument (x)", "usage"),
    "launch-plugin x": ("Got unexpected extra argument (x)", "usage"),
    "bridge-type x": ("Got unexpected extra argument (x)", "usage"),
    # options without their value, and values that do not parse
    "launch --password": ("Option '--password' requires an argument.", "usage"),
    "launch -password": ("WARNING: -password is deprecated; use --password instead.", "usage"),
    "launch --ipalloc-range": ("Option '--ipalloc-range' requires an argument.", "usage"),
    "launch --port": ("Option '--port' requires an argument.", "usage"),
    "launch --port 0": ("Invalid value for '--port'", "usage"),
    "launch --port 65535": ("Invalid value for '--port'", "usage"),
    "launch --bogus": ("No such option", "usage"),
    "launch-plugin --nickname=x": ("No such option", "usage"),
    "launch --conn-limit=-1": ("Invalid value for '--conn-limit'", "usage"),
    "launch --log-level=loud": ("Invalid value for '--log-level': 'loud' is not one of", "usage"),
    "launch --ipalloc-range=10.3.4.5/8": ("--ipalloc-range: invalid subnet - bits after", "bad-address"),
    "launch --ipalloc-range=10.2.0.0/31": ("--ipalloc-range: invalid subnet - smaller", "bad-address"),
    "launch --ipalloc-range=10.2.0.0": ("--ipalloc-range: invalid CIDR address: 10.2.0.0", "bad-address"),
    "launch --ipalloc-range=999.0.0.0/8": (
        "--ipalloc-range: invalid CIDR address: 999.0.0.0/8",
        "bad-address",
    ),
    "launch --trusted-subnets=10.0.0.0": ("--trusted-subnets: invalid CIDR address: 10.0.0.0", "bad-address"),
    "launch --name=host1": ("--name: invalid peer name: 'host1'", "bad-peer-name"),
    "launch --resume host2": ("--resume is for the peers of the last time, but host2 is given", "usage"),
    "launch --ipalloc-init=seed": ("Unable to parse --ipalloc-init: seed mode requires", "usage"),
    "launch --ipalloc-init=consensus=x": ("Unable to parse --ipalloc-init: bad consensus", "usage"),
    "launch --ipalloc-init=bogus": ("Unable to parse --ipalloc-init: unknown mode: bogus", "usage"),
    "launch --ipalloc-init=observer --init-peer-count=3": ("--ipalloc-init and --init-peer-count", "usage"),
    # addresses that look like some, and are none
    "attach 999.0.0.1/24 box": ("invalid CIDR address: 999.0.0.1/24", "bad-address"),
    "attach 10.2.1.1/99 box": ("invalid CIDR address: 10.2.1.1/99", "bad-address"),
    "attach net:10.2.1.5/24 box": ("invalid subnet - bits after", "bad-address"),
    "attach net:10.2.1.0/31 box": ("invalid subnet - smaller", "bad-address"),
    "expose net:10.2.1.5/24": ("invalid subnet - bits after", "bad-address"),
    "hide 10.2.1.1/33": ("invalid CIDR address: 10.2.1.1/33", "bad-address"),
    "run net:10.2.1.5/24 image": ("invalid subnet - bits after", "bad-address"),
    # commands
    "lunch": ("unknown command: lunch", "unknown-command"),
    "help lunch": ("unknown command: lunch", "unknown-command"),
    "setup-cni": ("There is no CNI plugin in this weave.", "retired"),
    "": ("Usage: weave", "usage"),
}

_VARIABLES = [
    ("WEAVE_PORT", "none"),
    ("WEAVE_PORT", "65535"),
    ("WEAVE_MTU", "3"),
    ("WEAVE_HTTP_ADDR", "localhost"),
]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No router, no Docker, no settings of whoever runs the tests."""
    for name in ("DOCKER_CONTEXT", "DOCKER_CLIENT_ARGS", "ORIG_DOCKER_HOST", "WEAVE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEAVE_HTTP_ADDR", "127.0.0.1:9")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("DOCKER_BRIDGE", "lo")


@pytest.fixture
def router_container(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Docker as far as it tells of the router's container: empty for none."""
    facts: dict[str, Any] = {}

    def call(_: object, __: str, path: str, *___: object) -> tuple[int, Any]:
        return (200, facts) if facts and path == "/containers/weave/json" else (404, {"message": "none"})

    monkeypatch.setattr(quick, "call", call)
    return facts


def _set_state(facts: dict[str, Any], status: str) -> None:
    facts |= {
        "Id": "f00d",
        "Name": "/weave",
        "State": {"Status": status, "Pid": 0, "Running": False, "Restarting": status == "restarting"},
        "Config": {"Labels": {"works.weave": "0.1.0"}},
        "HostConfig": {},
        "Image": "sha256:0",
    }


@pytest.mark.parametrize("words", _WORDS)
def test_wrong_words_are_refused(words: str, capsys: Written) -> None:
    begins, _ = _WORDS[words]
    assert tree.run(words.split()) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(begins)
    _is_no_defect(output.err)


@pytest.mark.parametrize("words", _WORDS)
def test_wrong_words_have_a_code(words: str, capsys: Written) -> None:
    _, code = _WORDS[words]
    assert tree.run(["-o", "json", *words.split()]) == 1
    _has_code(capsys, code)


@pytest.mark.parametrize(
    ("state", "message", "code"),
    [
        (None, _ABSENT, "router-absent"),
        ("exited", _STOPPED, "router-stopped"),
        ("restarting", _RESTARTING, "router-restarting"),
    ],
)
@pytest.mark.parametrize("words", _ASKING)
def test_router_that_is_not_there_is_told_in_the_words_of_the_script(
    router_container: dict[str, Any], capsys: Written, words: str, state: str | None, message: str, code: str
) -> None:
    if state is not None:
        _set_state(router_container, state)
    status = _ASKING[words] if state == "exited" else 1
    assert tree.run(words.split()) == status
    output = capsys.readouterr()
    assert output.out.strip() == ""
    first, then = output.err.splitlines()
    assert (first, then.startswith(("Start it with", "See 'docker logs"))) == (message, True)
    assert tree.run(["-o", "json", *words.split()]) == status
    _has_code(capsys, code)


@pytest.mark.parametrize("words", _ASKING)
def test_without_docker_too_the_router_is_missed(words: str, capsys: Written) -> None:
    assert tree.run(words.split()) == 1
    output = capsys.readouterr()
    assert output.out.strip() == ""
    assert output.err.startswith("the router does not answer at 127.0.0.1:9: ")
    assert tree.run(["-o", "json", *words.split()]) == 1
    _has_code(capsys, "router-unreachable")


@pytest.mark.parametrize(("name", "value"), _VARIABLES)
@pytest.mark.parametrize("words", ["status", "ps", "launch", "dns-args", "attach box", "stop", "reset"])
def test_wrong_variables_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: Written, words: str, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert tree.run(words.split()) == 1
    output = capsys.readouterr()
    assert output.out == ""
    first, then = output.err.splitlines()
    assert first == f"invalid value in {name}: {value!r}" and then.startswith("It takes ")
    assert tree.run(["-o", "json", *words.split()]) == 1
    _has_code(capsys, "bad-setting")


_REFUSALS: Mapping[str, tuple[str, tuple[int, str], str, str]] = {
    "status weather": ("GET /status/weather", (404, ""), "unknown status page: weather", "unknown-page"),
    "rmpeer host2": ("DELETE /peer/host2", (400, "host2 is in the mesh"), "host2 is in", "takeover-refused"),
    "connect no": ("POST /connect", (400, "cannot resolve no"), "cannot resolve no", "router"),
    "prime": ("GET /ring", (404, ""), "IP address allocation is switched off", "allocation-off"),
    "dns-lookup web": ("GET /domain", (404, ""), "weaveDNS is switched off", "dns-off"),
    "report -f {{": ("GET /report?format=%7B%7B", (400, "template: x"), "template: x", "router"),
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRouterApi]:
    with serving({"GET /report": (200, json.dumps({"Ready": True}))}) as served:
        monkeypatch.setenv("WEAVE_HTTP_ADDR", served.address)
        yield served


@pytest.mark.parametrize("words", _REFUSALS)
def test_what_the_router_refuses_goes_to_stderr(api: FakeRouterApi, capsys: Written, words: str) -> None:
    question, answer, says, code = _REFUSALS[words]
    api.answers[question] = answer
    assert tree.run(words.split()) == 1
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith(says)
    assert tree.run(["-o", "json", *words.split()]) == 1
    _has_code(capsys, code)


@pytest.mark.parametrize("name", [*COMMANDS, *PLUMBING])
def test_no_command_takes_an_option_that_nobody_knows(name: str, capsys: Written) -> None:
    command = weave.get_command(click.Context(weave), name)
    assert command is not None
    if command.context_settings.get("ignore_unknown_options"):
        return  # docker refuses its own
    assert tree.run([name, "--no-such-option"]) == 1
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith("No such option")
    assert f"Try 'weave {name} --help'." in output.err


def _has_code(written: Written, code: str) -> None:
    output = written.readouterr()
    assert output.err == ""
    assert read_document(output.out)["error"]["code"] == code


def _is_no_defect(text: str) -> None:
    assert "defect" not in text and "Traceback" not in text
