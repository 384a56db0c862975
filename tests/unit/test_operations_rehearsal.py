"""Dry runs: what would be done, in order, and nothing asked of Docker or the router but questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import read_document
from tests.fakes.docker_client import FakeEngine
from tests.fakes.mesh_reports import mesh_report, name_of
from tests.fakes.reporter import FakeReporter
from tests.fakes.router_http import FakeRouterApi, serving
from weave_cli.commands import tree
from weave_cli.errors import DockerProblem, RouterProblem
from weave_cli.names import COMPONENT_LABEL
from weave_cli.operations import rehearsal as room
from weave_cli.operations.rehearsal import (
    rehearse_forget,
    rehearse_reset,
    rehearse_stop,
    rehearse_takeover,
)
from weave_cli.reports import Report
from weave_cli.settings import Settings, read_settings

pytestmark = pytest.mark.unit


def _report() -> Report:
    report = mesh_report(2, gone=["host9"])
    report["Router"]["Targets"] = ["host2", "10.0.0.7"]
    gone = (report["IPAM"]["Entries"] or [])[0]
    ours = {**gone, "Peer": name_of(1), "Nickname": "host1", "IsKnownPeer": True, "Size": 700}
    theirs = {**gone, "Peer": name_of(2), "Nickname": "host2", "IsKnownPeer": True, "Size": 300}
    report["IPAM"]["Entries"] = [ours, gone, theirs, {**gone, "Size": 24}]  # type: ignore[list-item]
    return report


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRouterApi]:
    with serving({"GET /report": (200, json.dumps(_report()))}) as served:
        monkeypatch.setenv("WEAVE_HTTP_ADDR", served.address)
        yield served


@pytest.fixture
def settings(api: FakeRouterApi) -> Settings:
    return read_settings({"WEAVE_HTTP_ADDR": api.address})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """A host with all that a launch leaves; whoever changes it fails the test."""
    made = FakeEngine()
    made.volumes.add("weavedb")
    monkeypatch.setattr(room, "list_our_devices", lambda: ["weave", "weave-tap", "vethwl12345"])
    monkeypatch.setattr(room, "list_specifications", lambda: [Path("/etc/docker/plugins/weave.json")])
    monkeypatch.setattr(room, "list_our_chains", lambda: ["filter/WEAVE-INPUT"])
    monkeypatch.setattr(room, "list_sockets", lambda: [Path("/run/docker/plugins/weave.sock")])
    yield made
    assert made.calls == []


def _words(deeds: Iterator[room.Deed]) -> list[str]:
    return [str(deed) for deed in deeds]


def test_stop_takes_the_network_and_what_lives_as_long_as_the_router(
    engine: FakeEngine, settings: Settings
) -> None:
    engine.add_ours("weave")
    engine.add_ours("weaveplugin")
    engine.add_network("weave", "weavemesh")
    reporter = FakeReporter()
    assert _words(rehearse_stop(engine.client, settings, reporter)) == [
        "remove network weave",
        "remove container weaveplugin",
        "remove socket /run/docker/plugins/weave.sock",
        "remove container weave",
        "remove device weave-tap",
    ]
    assert reporter.notices == []


def test_stop_says_what_it_would_say(engine: FakeEngine, settings: Settings) -> None:
    engine.add_ours("weaveplugin")
    engine.add_network("weave", "weavemesh", {"1": "web"})
    reporter = FakeReporter()
    assert "remove network weave" not in _words(rehearse_stop(engine.client, settings, reporter))
    assert [notice.splitlines()[0] for notice in reporter.notices] == [
        "WARNING: network weave stays, because containers are attached: web.",
        "Weave is not running.",
    ]


def test_reset_takes_everything(engine: FakeEngine, settings: Settings, api: FakeRouterApi) -> None:
    engine.add_ours("weave")
    engine.add_ours("weaveplugin")
    network = engine.add_network("weave", "weavemesh")
    engine.add_network("mine", "bridge")
    engine.add_container("weavehelper-lost", labels={COMPONENT_LABEL: "helper"})
    everything = [
        "hand over 700 addresses to another host",
        "remove container weaveplugin",
        "remove network weave",
        "remove socket /run/docker/plugins/weave.sock",
        "remove container weave",
        "remove container weavehelper-lost",
        "remove volume weavedb",
        "remove file /etc/docker/plugins/weave.json",
        "remove chain filter/WEAVE-INPUT",
        "remove device weave",
        "remove device weave-tap",
        "remove device vethwl12345",
    ]
    assert _words(rehearse_reset(engine.client, settings, FakeReporter(), force=False)) == everything
    network.attached["1"] = "web"
    engine.add_container("db", status="exited", member_of=network.id)
    with pytest.raises(DockerProblem, match="network weave: web, db "):
        _words(rehearse_reset(engine.client, settings, FakeReporter(), force=False))
    assert _words(rehearse_reset(engine.client, settings, FakeReporter(), force=True)) == [
        "remove container weaveplugin",
        "cut off container web from network weave",
        "cut off stopped container db from network weave",
        *everything[2:],
    ]
    assert {request for request, _ in api.asked} == {"GET /report"}


def test_reset_refuses_as_the_real_one_does(engine: FakeEngine, settings: Settings) -> None:
    engine.add_ours("weave", status="exited")
    with pytest.raises(RouterProblem, match="cannot leave the cluster"):
        _words(rehearse_reset(engine.client, settings, FakeReporter(), force=False))


def test_forget_names_those_that_are_targets(settings: Settings) -> None:
    told: list[str] = []
    assert _words(rehearse_forget(settings, ["host2", "host3", "host2"], told.append)) == [
        "forget target host2"
    ]
    assert told == ["host3 is no target; 'weave status targets' lists them."]


def test_takeover_counts_what_the_dead_own(settings: Settings) -> None:
    told: list[str] = []
    assert _words(rehearse_takeover(settings, ["host9", "host8", "host1"], told.append)) == [
        "take over 1024 addresses of host9 (7a:42:00:00:ff:ff)"
    ]
    assert [line.split()[0] for line in told] == ["host8", "host1"]


@pytest.mark.parametrize("peer", ["host2", name_of(2)])
def test_takeover_of_the_living_is_refused(peer: str, settings: Settings) -> None:
    with pytest.raises(RouterProblem, match=f"{peer} is in the mesh"):
        _words(rehearse_takeover(settings, [peer], print))


@pytest.mark.usefixtures("api")
def test_list_is_the_answer_and_the_rest_is_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert tree.run(["forget", "--dry-run", "10.0.0.7"]) == 0
    assert capsys.readouterr() == (
        "forget target 10.0.0.7\n",
        "Nothing was done: this was a dry run.\n",
    )
    assert tree.run(["-o", "json", "forget", "--dry-run", "10.0.0.7", "host3"]) == 0
    document = read_document(capsys.readouterr().out)
    assert (document["kind"], document["data"]) == (
        "Rehearsal",
        {"deeds": [{"act": "forget", "kind": "target", "name": "10.0.0.7", "of": None}]},
    )
    assert [notice.split()[0] for notice in document["notices"]] == ["host3", "Nothing"]
