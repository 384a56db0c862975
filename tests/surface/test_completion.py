"""What a shell offers behind our commands: in a real bash, and as the program answers others."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.mesh_reports import mesh_report
from tests.fakes.router_http import serving
from tests.lab.terminal import Terminal
from weave_cli.commands.tree import COMMANDS
from weave_cli.reports import DnsEntry, Report

pytestmark = pytest.mark.surface

_ROOT = Path(__file__).parents[2]
_PROGRAMS = Path(sys.executable).parent

_BREAKS = " \t\n\"'><=;|&(:"


def _container(name: str, state: str, network: str = "default") -> dict[str, object]:
    return {
        "Names": [f"/{name}", "/other/link"],
        "State": state,
        "Image": "busybox",
        "Status": f"{state}, since",
        "HostConfig": {"NetworkMode": network},
    }


_DOCKER = {
    "GET /containers/json?all=1": (
        200,
        json.dumps(
            [
                _container("web-1", "running"),
                _container("wiki", "exited"),
                _container("db", "running"),
                _container("weave", "running", "host"),
            ]
        ),
    ),
    "GET /networks": (
        200,
        json.dumps([{"Name": "weave", "Driver": "weavemesh"}, {"Name": "bridge", "Driver": "bridge"}]),
    ),
}


def _named(hostname: str, tombstone: int = 0) -> DnsEntry:
    return {
        "Hostname": hostname,
        "Origin": "7a:42:00:00:00:01",
        "ContainerID": "c",
        "Address": "10.32.0.1",
        "Version": 1,
        "Tombstone": tombstone,
    }


def _report() -> Report:
    report = mesh_report(3, gone=["host9"])
    report["Router"]["Targets"] = ["10.0.0.2", "gateway:7000"]
    report["DNS"] = {
        "Domain": "weave.local.",
        "Upstream": [],
        "Address": "",
        "TTL": 1,
        "Entries": [_named("db.weave.local."), _named("a.b.weave.local."), _named("old.weave.local.", 1)],
    }
    return report


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """In which an engine and a router answer."""
    with serving(_DOCKER) as docker, serving({"GET /report": (200, json.dumps(_report()))}) as router:
        yield _environment(docker.address, router.address)


def _environment(docker: str, router: str) -> dict[str, str]:
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("WEAVE_", "DOCKER_", "COMP_"))
    }
    path = f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    return {
        **kept,
        "PATH": path,
        "DOCKER_HOST": f"tcp://{docker}",
        "WEAVE_HTTP_ADDR": router,
        "TERM": "xterm",
    }


def _offered(line: str, environment: dict[str, str]) -> list[str]:
    """What bash would be told; fails when there is a word on stderr."""
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_WORDBREAKS": _BREAKS}
    done = subprocess.run(
        [sys.executable, "-m", "weave_cli"],
        env={**environment, **asked, "_WEAVE_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    return [
        value
        for kind, _, value in (row.partition(",") for row in done.stdout.splitlines())
        if kind == "plain"
    ]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("weave exp", ["expose"]),
        ("weave attach ", ["web-1", "db"]),
        ("weave attach 10.2.1.1/24 w", ["web-1"]),
        ("weave attach net:def", ["default"]),
        ("weave attach web-1 ", []),
        ("weave detach d", ["db"]),
        ("weave start ", ["wiki"]),
        ("weave start net:default w", ["wiki"]),
        ("weave restart w", ["web-1"]),
        ("weave ps ", ["weave:expose", "web-1", "db"]),
        ("weave ps db ", ["weave:expose", "web-1"]),
        ("weave ps weave:e", ["expose"]),
        ("weave run -d --net ", ["weave"]),
        ("weave run -d --name ", []),
        ("weave launch --mesh-network-name=", ["weave"]),
        ("weave launch --log-level=w", ["warning"]),
        ("weave launch --log-level i", ["info"]),
        ("weave forget ", ["10.0.0.2", "gateway:7000"]),
        ("weave forget gateway:", ["7000"]),
        ("weave forget 10.0.0.2 ", ["gateway:7000"]),
        ("weave connect ", ["10.0.0.3"]),
        ("weave rmpeer ", ["host9"]),
        ("weave dns-lookup d", ["db.weave.local", "db"]),
        ("weave dns-remove -h ", ["db.weave.local", "a.b.weave.local"]),
        ("weave dns-add 10.9.9.9 d", ["db"]),
        ("weave dns-add db ", []),
        ("weave status ", ["targets", "connections", "peers", "dns", "ipam", "topology"]),
        ("weave status --watch top", ["topology"]),
        ("weave status peers ", []),
        ("weave help dns-l", ["dns-lookup"]),
        ("weave --lo", []),
        ("weave launch -iprange 10.2.0.0/16 --no-di", ["--no-discovery"]),
    ],
)
def test_words_are_offered_where_they_fit(line: str, offered: list[str], environment: dict[str, str]) -> None:
    assert _offered(line, environment) == offered


def test_every_command_can_be_completed(environment: dict[str, str]) -> None:
    for name in COMMANDS:
        assert "--help" in _offered(f"weave {name} --he", environment)


@pytest.mark.parametrize("line", ["weave attach ", "weave forget ", "weave dns-lookup ", "weave run --net "])
def test_nobody_there_is_no_answer_and_no_word(line: str) -> None:
    assert _offered(line, _environment("127.0.0.1:9", "127.0.0.1:9")) == []


@pytest.mark.parametrize(
    ("variable", "value"), [("WEAVE_PORT", "x"), ("WEAVE_HTTP_ADDR", "x"), ("DOCKER_HOST", "ssh://nobody")]
)
def test_bad_setting_is_no_word_either(variable: str, value: str, environment: dict[str, str]) -> None:
    assert _offered("weave attach ", {**environment, variable: value}) in ([], ["web-1", "db"])


@pytest.mark.parametrize("line", ["weave attach ", "weave forget "])
def test_silent_docker_or_router_is_not_waited_for(line: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        # Docker would be given a minute; this is given half of one.
        assert _offered(line, _environment(address, address)) == []


def test_shells_that_replace_whole_words_get_the_option_too(environment: dict[str, str]) -> None:
    asked = {"COMP_WORDS": "weave launch --log-level=w", "COMP_CWORD": "2", "_WEAVE_COMPLETE": "zsh_complete"}
    done = subprocess.run(
        [sys.executable, "-m", "weave_cli"],
        env={**environment, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["plain", "--log-level=warning", "_"]


@contextmanager
def _bash(environment: dict[str, str]) -> Iterator[Terminal]:
    with Terminal(["bash", "--norc", "--noprofile", "-i"], environment) as bash:
        bash.type("PS1='ready> '")
        bash.type(
            f"bind 'set show-all-if-ambiguous on'; source {_ROOT}/completions/weave.bash; echo sour''ced"
        )
        bash.wait_for("sourced\n.*ready> ")
        yield bash


def test_in_a_real_bash_tab_completes(environment: dict[str, str]) -> None:
    with _bash(environment) as bash:
        for typed, seen in [
            ("weave att\t", "weave attach "),
            ("we\t", "web-1 "),
            ("\x15weave forget gate\t", "gateway:7000 "),
            ("\x15weave launch --log-level=w\t", "--log-level=warning "),
            ("\x15weave start \t", "wiki "),
        ]:
            bash.press(typed)
            bash.wait_for(seen)
        bash.press("\x15weave ps \t")
        bash.wait_for("db +web-1 +weave:expose|weave:expose +web-1 +db")


def test_in_a_real_bash_an_absent_docker_is_not_heard_of() -> None:
    with _bash(_environment("127.0.0.1:9", "127.0.0.1:9")) as bash:
        bash.press("weave attach \t")
        bash.press("\x15echo qui''et\n")
        shown = bash.wait_for("quiet\n")
    assert "cannot" not in shown and "Traceback" not in shown and "Alarm" not in shown
