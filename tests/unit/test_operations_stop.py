"""Stop and reset: order, who is told what, and that foreign things are left alone."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.fakes.docker_client import FakeEngine
from tests.fakes.reporter import FakeReporter
from tests.fakes.router_http import FakeRouterApi, serving
from weave_cli.addresses import parse_cidr
from weave_cli.containers import lifecycle
from weave_cli.containers.client import Docker
from weave_cli.containers.lifecycle import NameTaken
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem, RouterProblem
from weave_cli.names import COMPONENT_LABEL, LABEL
from weave_cli.operations import patience, services
from weave_cli.operations import stop as room
from weave_cli.operations.patience import Patience
from weave_cli.settings import Settings, read_settings

pytestmark = pytest.mark.unit


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """An engine; taking down the host and standing in for the plugin show up among its calls."""
    made = FakeEngine()

    @contextmanager
    def stand_in() -> Iterator[None]:
        made.calls.append("stand in")
        yield
        made.calls.append("stand down")

    monkeypatch.setattr(room, "stand_in", stand_in)
    monkeypatch.setattr(room, "remove_dead_sockets", lambda: made.calls.append("remove sockets"))
    monkeypatch.setattr(services, "uninstall", lambda: made.calls.append("uninstall services"))
    monkeypatch.setattr(room, "withdraw_absence", lambda: made.calls.append("withdraw absence"))
    monkeypatch.setattr(room, "tear_down", lambda: made.calls.append("tear down"))
    monkeypatch.setattr(room, "_FAREWELL_S", 0)
    return made


@pytest.fixture
def api() -> Iterator[FakeRouterApi]:
    with serving({"DELETE /peer": (204, "")}) as served:
        yield served


@pytest.fixture
def settings(api: FakeRouterApi) -> Settings:
    return read_settings({"WEAVE_HTTP_ADDR": api.address})


def test_stop_removes_the_network_while_the_plugin_serves(engine: FakeEngine, settings: Settings) -> None:
    engine.add_ours("weave")
    engine.add_ours("weaveplugin")
    engine.add_network("weave", "weavemesh")
    reporter = FakeReporter()
    room.stop(engine.client, settings, reporter)
    assert engine.calls == [
        "remove network weave",
        "stop weaveplugin",
        "remove weaveplugin",
        "remove sockets",
        "withdraw absence",
        "stop weave",
        "remove weave",
    ]
    assert reporter.notices == []


def test_stop_removes_the_network_that_this_plugin_was_told_to_make(engine: FakeEngine) -> None:
    engine.add_ours("weaveplugin", command=["x", "--mesh-network-name=foo"])
    engine.add_network("weave", "weavemesh")
    engine.add_network("foo", "weavemesh")
    room.stop_plugin(engine.client, FakeReporter())
    assert [network.name for network in engine.networks.values()] == ["weave"]


def test_network_of_a_plugin_that_died_goes_with_a_stand_in(engine: FakeEngine) -> None:
    engine.add_ours("weaveplugin", status="exited")
    engine.add_network("weave", "weavemesh")
    reporter = FakeReporter()
    room.stop_plugin(engine.client, reporter)
    assert reporter.notices == ["Plugin is not running."]
    assert engine.calls[-5:] == [
        "stand in",
        "remove network weave",
        "stand down",
        "remove sockets",
        "withdraw absence",
    ]
    assert engine.containers == {}


def test_stop_keeps_a_network_in_use_and_names_the_containers(engine: FakeEngine) -> None:
    engine.add_ours("weaveplugin")
    engine.add_network("weave", "weavemesh", {"abc": "web", "def": "db"})
    reporter = FakeReporter()
    room.stop_plugin(engine.client, reporter)
    assert "web, db" in reporter.notices[0]
    assert len(engine.networks) == 1
    assert engine.containers == {}
    assert "withdraw absence" not in engine.calls


def test_stop_leaves_a_bridge_network_called_weave_alone(engine: FakeEngine) -> None:
    engine.add_ours("weaveplugin")
    engine.add_network("weave", "bridge")
    room.stop_plugin(engine.client, FakeReporter())
    assert len(engine.networks) == 1


def test_stopping_what_does_not_run_is_said_but_no_error(engine: FakeEngine, settings: Settings) -> None:
    reporter = FakeReporter()
    room.stop(engine.client, settings, reporter)
    assert reporter.notices == ["Plugin is not running.", "Weave is not running."]


def test_stopped_router_is_cleared_away(engine: FakeEngine) -> None:
    engine.add_ours("weave", status="exited")
    reporter = FakeReporter()
    room.stop_router(engine.client, reporter)
    assert reporter.notices == ["Weave is not running."]
    assert engine.containers == {}


@pytest.mark.parametrize("name", ["weave", "weaveplugin"])
def test_foreign_container_of_our_name_is_never_stopped(
    engine: FakeEngine, settings: Settings, name: str
) -> None:
    engine.add_container(name, status="running")
    with pytest.raises(NameTaken):
        room.stop(engine.client, settings, FakeReporter())
    with pytest.raises(NameTaken):
        room.reset(engine.client, settings, FakeReporter(), force=True)
    assert name in engine.containers


def test_reset_leaves_first_and_takes_networks_apart_with_a_stand_in(
    engine: FakeEngine, settings: Settings, api: FakeRouterApi
) -> None:
    engine.add_ours("weave")
    engine.add_ours("weaveplugin")
    engine.add_network("weave", "weavemesh")
    engine.add_network("bridge", "bridge")
    engine.volumes.add("weavedb")
    reporter = FakeReporter()
    room.reset(engine.client, settings, reporter, force=False)
    assert api.asked == [("DELETE /peer", "")]
    assert engine.calls == [
        "stop weaveplugin",
        "remove weaveplugin",
        "stand in",
        "remove network weave",
        "stand down",
        "stop weave",
        "remove weave",
        "remove volume weavedb",
        "withdraw absence",
        "tear down",
        "uninstall services",
    ]
    assert reporter.notices == []
    assert [network.name for network in engine.networks.values()] == ["bridge"]
    assert engine.volumes == set()


def test_reset_sweeps_helpers_that_nobody_started(engine: FakeEngine, settings: Settings) -> None:
    labels = {LABEL: "0.1.0", COMPONENT_LABEL: "helper"}
    engine.add_container("weavehelper-lost", labels=labels)
    engine.add_container("weavehelper-being-started", labels=labels, created_at=time.time())
    engine.add_container("weavehelper-running", labels=labels, status="running")
    engine.add_container("web")
    room.reset(engine.client, settings, FakeReporter(), force=False)
    assert list(engine.containers) == ["weavehelper-being-started", "weavehelper-running", "web"]


def test_reset_names_whom_attach_put_on_the_network(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid, (name, mode) in enumerate((("web", ""), ("db", ""), ("other", ""), ("on-host", "host")), 1):
        engine.add_container(name, status="running", pid=pid, host_config={"NetworkMode": mode})
    guests = {1: (parse_cidr("10.32.0.1/12"),), 2: (parse_cidr("10.2.0.1/16"),), 3: None}
    monkeypatch.setattr(room, "read_guest", guests.__getitem__)
    reporter = FakeReporter()
    room.reset(engine.client, settings, reporter, force=False)
    assert "Cut off until 'weave attach': db, web." in reporter.notices


def test_reset_of_nothing_is_silent(engine: FakeEngine, settings: Settings, api: FakeRouterApi) -> None:
    reporter = FakeReporter()
    room.reset(engine.client, settings, reporter, force=False)
    assert reporter.notices == []
    assert engine.calls == [
        "remove sockets",
        "remove volume weavedb",
        "withdraw absence",
        "tear down",
        "uninstall services",
    ]
    assert api.asked == []


def test_reset_of_a_dead_router_is_refused_unless_forced(engine: FakeEngine, settings: Settings) -> None:
    engine.add_ours("weave", status="exited")
    with pytest.raises(RouterProblem, match="cannot leave"):
        room.reset(engine.client, settings, FakeReporter(), force=False)
    assert engine.calls == []
    room.reset(engine.client, settings, FakeReporter(), force=True)
    assert engine.containers == {}


def test_forced_reset_hands_nothing_over(engine: FakeEngine, settings: Settings, api: FakeRouterApi) -> None:
    engine.add_ours("weave")
    room.reset(engine.client, settings, FakeReporter(), force=True)
    assert api.asked == []
    assert engine.containers == {}


def test_reset_refuses_a_foreign_plugin_before_the_router_has_left(
    engine: FakeEngine, settings: Settings, api: FakeRouterApi
) -> None:
    engine.add_ours("weave")
    engine.add_container("weaveplugin", status="running")
    with pytest.raises(NameTaken):
        room.reset(engine.client, settings, FakeReporter(), force=False)
    assert (api.asked, engine.calls) == ([], [])


def test_reset_goes_on_when_the_router_refuses_to_leave(
    engine: FakeEngine, settings: Settings, api: FakeRouterApi
) -> None:
    engine.add_ours("weave")
    api.answers["DELETE /peer"] = (500, "no")
    reporter = FakeReporter()
    room.reset(engine.client, settings, reporter, force=False)
    assert "no" in reporter.notices[0]
    assert engine.containers == {}


def test_reset_after_stop_says_that_addresses_stay_reserved(engine: FakeEngine, settings: Settings) -> None:
    engine.volumes.add("weavedb")
    reporter = FakeReporter()
    room.reset(engine.client, settings, reporter, force=False)
    assert "not handed over" in reporter.notices[0]


def test_plugin_is_left_alone_when_the_environment_says_so(engine: FakeEngine, settings: Settings) -> None:
    engine.add_ours("weaveplugin")
    engine.add_network("weave", "weavemesh")
    room.reset(engine.client, replace(settings, wants_plugin=False), FakeReporter(), force=True)
    assert list(engine.containers) == ["weaveplugin"]
    assert len(engine.networks) == 1


def test_stop_keeps_the_network_that_a_stopped_container_would_look_for(engine: FakeEngine) -> None:
    engine.add_ours("weaveplugin")
    network = engine.add_network("weave", "weavemesh")
    engine.add_container("db", status="exited", member_of=network.id)
    engine.add_container("cache", status="running", member_of=network.id)
    reporter = FakeReporter()
    room.stop_plugin(engine.client, reporter)
    assert reporter.notices == ["Network weave stays: stopped containers would not start without it: db."]
    assert len(engine.networks) == 1 and "withdraw absence" not in engine.calls


def test_reset_refuses_while_containers_are_attached_and_names_them_by_network(
    engine: FakeEngine, settings: Settings, api: FakeRouterApi
) -> None:
    engine.add_ours("weave")
    engine.add_ours("weaveplugin")
    engine.add_network("weave", "weavemesh", {"abc": "web"})
    red = engine.add_network("red", "weave")
    engine.add_container("db", status="exited", member_of=red.id)
    with pytest.raises(DockerProblem) as refused:
        room.reset(engine.client, settings, FakeReporter(), force=False)
    assert refused.value.code == Code.CONTAINERS_ATTACHED
    assert refused.value.message.splitlines()[1:] == ["  network weave: web", "  network red: db (stopped)"]
    assert (api.asked, engine.calls) == ([], [])
    reporter = FakeReporter()
    room.reset(engine.client, settings, reporter, force=True)
    assert reporter.notices == [
        "Cut off from network weave: web.",
        "Cut off from network red: db (stopped).",
    ]
    assert engine.networks == {} and "disconnect abc" in engine.calls


def test_reset_goes_on_after_docker_was_away(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.add_ours("weave")
    engine.add_ours("weaveplugin")
    engine.pings = iter([False, False, False])
    failures = iter([DockerProblem("cannot stop container: connection refused")])
    stop_container = lifecycle.stop_container

    def stop(client: Docker, name: str) -> None:
        for failure in failures:
            raise failure
        stop_container(client, name)

    monkeypatch.setattr(lifecycle, "stop_container", stop)
    reporter = FakeReporter()
    room.reset(engine.client, settings, reporter, force=True)
    assert reporter.notices == ["Docker does not answer, as when it restarts: going on when it does."]
    assert engine.containers == {} and engine.calls[-1] == "uninstall services"


def test_reset_gives_up_on_a_docker_that_stays_away(engine: FakeEngine) -> None:
    engine.pings = itertools.repeat(False)
    patient = Patience(engine.client, FakeReporter(), limit_s=0.3)

    def fail() -> None:
        raise DockerProblem("cannot remove volume: connection refused")

    with pytest.raises(DockerProblem, match="connection refused"):
        patient.do(fail)


def test_asking_a_docker_that_hangs_counts_as_waiting(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def hang(_: Docker) -> bool:
        asked.append(1)
        time.sleep(0.1)
        return False

    def fail() -> None:
        raise DockerProblem("cannot remove volume: Docker did not answer")

    monkeypatch.setattr(patience, "answers", hang)
    monkeypatch.setattr(patience, "_POLL_S", 0)
    with pytest.raises(DockerProblem, match="did not answer"):
        Patience(engine.client, FakeReporter(), limit_s=0.05).do(fail)
    assert len(asked) == 2
