"""Every command's document against its schema, from what a real router answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.documents import read_document
from tests.fakes.router_http import FakeRouterApi, serving
from tests.vectors.load import load
from weave_cli.addresses import parse_cidr
from weave_cli.commands import attach, expose, launch, run, setup, tree
from weave_cli.errors import RouterProblem
from weave_cli.operations import attach as attach_operation
from weave_cli.operations import expose as expose_operation
from weave_cli.operations import launch as launch_operation
from weave_cli.operations import naming, plumbing, survey
from weave_cli.operations import run as run_operation
from weave_cli.operations import setup as setup_operation
from weave_cli.operations.launched import Launched
from weave_cli.operations.survey import Attachment
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

Written = pytest.CaptureFixture[str]

_CIDRS = (parse_cidr("10.32.0.1/12"), parse_cidr("10.2.1.1/24"))
_PEER = {"name": "7a:00:00:00:00:01", "nickname": "host1"}


def _recorded_report() -> dict[str, Any]:
    for sample in load("http-samples")["vectors"]:
        if sample["path"] == "/report" and sample["status"] == 200:
            report: dict[str, Any] = json.loads(sample["body"])
            return {"Ready": True, **report}
    raise AssertionError("no report was recorded")


@pytest.fixture
def report() -> dict[str, Any]:
    return _recorded_report()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, report: dict[str, Any]) -> Iterator[FakeRouterApi]:
    with serving({"GET /report": (200, json.dumps(report))}) as served:
        monkeypatch.setenv("WEAVE_HTTP_ADDR", served.address)
        monkeypatch.setattr(survey, "is_plugin_listening", lambda: True)
        yield served


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on which all that changes it succeeds."""

    @contextmanager
    def with_docker() -> Iterator[tuple[Any, Any, Any]]:
        yield None, read_settings({}), None

    @contextmanager
    def as_root() -> Iterator[tuple[Any, Any]]:
        yield None, None

    for room, name in ((attach, "beside_others"), (run, "beside_others"), (launch, "changing_host")):
        monkeypatch.setattr(room, name, with_docker)
    monkeypatch.setattr(setup, "with_docker", with_docker)
    monkeypatch.setattr(expose, "as_root", as_root)
    for operation, name in (
        (attach_operation, "attach"),
        (attach_operation, "detach"),
        (expose_operation, "expose"),
        (expose_operation, "hide"),
    ):
        monkeypatch.setattr(operation, name, lambda *_, **__: _CIDRS)
    monkeypatch.setattr(run_operation, "run", lambda *_, **__: "f00d")
    monkeypatch.setattr(run_operation, "start", lambda *_: None)
    monkeypatch.setattr(setup_operation, "setup", lambda *_: None)
    monkeypatch.setattr(launch_operation, "launch", lambda *_, **__: Launched(router="1", plugin=None))
    monkeypatch.setattr(launch_operation, "launch_plugin", lambda *_: "2")


def _answer(words: list[str], written: Written, *, status: int = 0) -> dict[str, Any]:
    assert tree.run(["-o", "json", *words]) == status
    output = written.readouterr()
    assert output.err == ""
    return read_document(output.out)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("words", "kind", "data"),
    [
        (["run", "-d", "image", "-o", "x"], "Container", {"container": "f00d"}),
        (["start", "box"], "Container", {"container": "box"}),
        (
            ["launch"],
            "Launched",
            {"router": {"container": "1"}, "plugin": None, "proxy": None, "swarmPlugin": None},
        ),
        (
            ["launch-plugin"],
            "Launched",
            {"router": None, "plugin": {"container": "2"}, "proxy": None, "swarmPlugin": None},
        ),
        (["setup"], "Done", {"command": "setup"}),
    ],
)
def test_what_changes_the_host_says_what_came_of_it(
    words: list[str], kind: str, data: dict[str, Any], capsys: Written
) -> None:
    document = _answer(words, capsys)
    assert (document["kind"], document["data"], document["error"]) == (kind, data, None)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("words", [["attach", "box"], ["detach", "box"], ["expose"], ["hide"]])
def test_addresses_have_their_prefix(words: list[str], capsys: Written) -> None:
    document = _answer(words, capsys)
    assert document["kind"] == "Addresses"
    assert document["data"]["addresses"] == [
        {"address": "10.32.0.1", "prefixLength": 12},
        {"address": "10.2.1.1", "prefixLength": 24},
    ]


@pytest.mark.usefixtures("host")
def test_addresses_for_people_are_as_they_were(capsys: Written) -> None:
    assert tree.run(["attach", "box"]) == 0
    assert capsys.readouterr() == ("10.32.0.1 10.2.1.1\n", "")


@pytest.mark.usefixtures("api")
def test_status_has_the_numbers_of_the_page(capsys: Written) -> None:
    document = _answer(["status"], capsys)
    data = document["data"]
    assert document["kind"] == "Status" and data["ready"] is True
    assert data["router"]["name"] == _PEER["name"]
    assert data["router"]["connections"]["total"] == sum(
        count for state, count in data["router"]["connections"].items() if state != "total"
    )
    assert data["ipam"]["state"] == "ready" and data["dns"]["domain"] == "weave.local."
    assert data["plugin"] == {"driver": "weave", "leaks": None}


def test_status_of_a_router_that_is_not_ready_is_an_error_with_an_answer(
    api: FakeRouterApi, report: dict[str, Any], capsys: Written
) -> None:
    api.answers["GET /report"] = (200, json.dumps({**report, "Ready": False}))
    document = _answer(["status"], capsys, status=1)
    assert (document["kind"], document["error"]["code"]) == ("Status", "router-not-ready")


def test_status_without_router_tells_of_the_plugin(
    api: FakeRouterApi, monkeypatch: pytest.MonkeyPatch, capsys: Written
) -> None:
    monkeypatch.setenv("WEAVE_HTTP_ADDR", "127.0.0.1:9")
    monkeypatch.setattr("weave_cli.operations.asking.explain_unreachable", lambda *_: RouterProblem("gone"))
    document = _answer(["status"], capsys, status=1)
    assert document["data"]["router"] is None and document["data"]["plugin"] == {
        "driver": "weave",
        "leaks": None,
    }
    assert document["error"]["message"] == "gone"


def test_parts_that_are_switched_off_are_null_and_have_no_page(
    api: FakeRouterApi, report: dict[str, Any], capsys: Written
) -> None:
    del report["DNS"], report["IPAM"]
    api.answers["GET /report"] = (200, json.dumps(report))
    data = _answer(["status"], capsys)["data"]
    assert (data["dns"], data["ipam"]) == (None, None)
    assert _answer(["status", "dns"], capsys, status=1)["error"]["code"] == "dns-off"
    assert _answer(["status", "ipam"], capsys, status=1)["error"]["code"] == "allocation-off"
    assert _answer(["status", "weather"], capsys, status=1)["error"]["code"] == "unknown-page"


def test_pages_of_the_status(api: FakeRouterApi, report: dict[str, Any], capsys: Written) -> None:
    router = report["Router"]
    assert _answer(["status", "targets"], capsys)["data"]["targets"] == (router["Targets"] or [])
    names = _answer(["status", "dns"], capsys)["data"]["entries"]
    assert len(names) == sum(not entry["Tombstone"] for entry in report["DNS"]["Entries"])
    peers = _answer(["status", "peers"], capsys)["data"]["peers"]
    assert [peer["name"] for peer in peers] == [peer["Name"] for peer in router["Peers"]]
    shares = _answer(["status", "ipam"], capsys)["data"]
    assert shares["owners"][0]["peer"] == _PEER
    assert sum(owner["addresses"] for owner in shares["owners"]) == shares["rangeAddresses"]


def test_connections_tell_who_is_there_once_they_are_up(
    api: FakeRouterApi, report: dict[str, Any], capsys: Written
) -> None:
    one = {"Address": "10.0.0.2:6783", "Outbound": True}
    up = {**one, "State": "established", "Info": "x", "Attrs": {"name": "fastdp", "mtu": 1376}}
    down = {**one, "Address": "10.0.0.3:6783", "State": "retrying", "Info": "refused", "Attrs": None}
    report["Router"]["Connections"] = [up, down]
    report["Router"]["Peers"][0]["Connections"] = [
        {"Name": "7a:00:00:00:00:02", "NickName": "host2", "Established": True, **one}
    ]
    assert report["Router"]["Peers"][0]["Name"] == report["Router"]["Name"]
    api.answers["GET /report"] = (200, json.dumps(report))
    found = _answer(["status", "connections"], capsys)["data"]["connections"]
    assert found[0]["peer"] == {"name": "7a:00:00:00:00:02", "nickname": "host2"}
    assert (found[0]["overlay"], found[0]["attributes"]) == ("fastdp", {"mtu": 1376})
    assert (found[1]["peer"], found[1]["overlay"], found[1]["state"]) == (None, None, "retrying")


def test_report_is_in_the_envelope(api: FakeRouterApi, report: dict[str, Any], capsys: Written) -> None:
    api.answers["GET /report?format=x"] = (200, "x")
    assert _answer(["report"], capsys)["data"] == report
    assert _answer(["report", "-f", "x"], capsys)["data"] == {"text": "x"}


def test_takeovers_are_told_one_by_one(api: FakeRouterApi, capsys: Written) -> None:
    api.answers |= {
        "DELETE /peer/host2": (200, "7 IPs taken over from host2\n"),
        "DELETE /peer/host3": (400, "host3 is in the mesh\n"),
    }
    document = _answer(["rmpeer", "host3", "host2"], capsys, status=1)
    first, second = document["data"]["takeovers"]
    assert first["error"]["code"] == document["error"]["code"] == "takeover-refused"
    assert (second["message"], second["error"]) == ("7 IPs taken over from host2", None)


def test_names_and_arguments(monkeypatch: pytest.MonkeyPatch, capsys: Written) -> None:
    monkeypatch.setattr(naming, "make_dns_arguments", lambda *_: "--dns=1.2.3.4 --dns-search=.")
    monkeypatch.setattr(naming, "look_up", lambda *_: ["10.32.0.1"])
    monkeypatch.setenv("DOCKER_BRIDGE", "lo")
    assert _answer(["dns-args"], capsys)["data"]["arguments"] == ["--dns=1.2.3.4", "--dns-search=."]
    assert _answer(["dns-lookup", "web"], capsys)["data"] == {"name": "web", "addresses": ["10.32.0.1"]}
    assert _answer(["docker-bridge-ip"], capsys)["data"] == {"address": "127.0.0.1"}


def test_interfaces(monkeypatch: pytest.MonkeyPatch, capsys: Written) -> None:
    found = [Attachment(owner="abc", mac="7a:00:00:00:00:02", addresses=_CIDRS)]
    monkeypatch.setattr(survey, "list_attachments", lambda *_: found)
    assert _answer(["ps"], capsys)["data"]["interfaces"] == [
        {"owner": "abc", "mac": "7a:00:00:00:00:02", "addresses": ["10.32.0.1/12", "10.2.1.1/24"]}
    ]


@pytest.mark.parametrize(("found", "status"), [("bridge", 0), (None, 1)])
def test_bridge_type(
    monkeypatch: pytest.MonkeyPatch, found: str | None, status: int, capsys: Written
) -> None:
    monkeypatch.setattr(plumbing, "find_bridge_type", lambda: found)
    assert _answer(["bridge-type"], capsys, status=status)["data"] == {"type": found}


def test_versions_that_are_not_there_are_null(monkeypatch: pytest.MonkeyPatch, capsys: Written) -> None:
    monkeypatch.setattr(survey, "list_versions", lambda *_: iter([("router", "1.0")]))
    data = _answer(["version"], capsys)["data"]
    assert (data["router"], data["plugin"]) == ("1.0", None) and data["script"]


def test_environment_and_words_that_are_no_more(monkeypatch: pytest.MonkeyPatch, capsys: Written) -> None:
    monkeypatch.setenv("ORIG_DOCKER_HOST", "tcp://h:1")
    assert _answer(["env", "--restore"], capsys)["data"]["variables"] == {"DOCKER_HOST": "tcp://h:1"}
    without = _answer(["env"], capsys)
    assert without["data"]["variables"] == {} and "no proxy" in without["notices"][0]
    assert without["noticeCodes"] == ["proxy-absent"]
    assert _answer(["config"], capsys, status=1)["error"]["code"] == "proxy-absent"
    assert _answer(["setup-cni"], capsys, status=1)["error"]["code"] == "retired"
    assert "removed" in _answer(["stop-dns"], capsys)["notices"][0]


def test_help(capsys: Written) -> None:
    assert _answer(["help", "ps"], capsys)["data"]["text"].startswith("Usage: weave ps")
    assert _answer(["help", "lunch"], capsys, status=1)["error"]["code"] == "unknown-command"
