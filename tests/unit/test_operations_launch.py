"""Launch: what it refuses, what it makes, and that nothing is left when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.docker_client import FakeContainer, FakeEngine
from tests.fakes.reporter import FakeReporter
from tests.fakes.router_http import FakeRouterApi, serving
from weave_cli.containers.lifecycle import AlreadyRunning, NameTaken, Restarting
from weave_cli.containers.specs import PluginOptions, RouterOptions
from weave_cli.errors import DockerProblem, UsageProblem
from weave_cli.host.listeners import UNSEEN_OWNER
from weave_cli.operations import launch as room
from weave_cli.operations import launch_services, preflight, services, setup, stop, waiting
from weave_cli.operations.launched import Launched
from weave_cli.settings import Settings, read_settings

pytestmark = pytest.mark.unit


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """An engine on a host where all ports are free, the image is there, and plugins listen when started."""
    made = FakeEngine()

    def is_listening() -> bool:
        return "weaveplugin" in made.containers and made.containers["weaveplugin"].status == "running"

    monkeypatch.setattr(preflight, "find_listener", lambda *_: None)
    monkeypatch.setattr(preflight, "check_range", lambda *_: None)
    monkeypatch.setattr(setup, "find_image", lambda _: "current")
    monkeypatch.setattr(room, "is_plugin_listening", is_listening)
    monkeypatch.setattr(room, "remove_dead_sockets", lambda: None)
    monkeypatch.setattr(room, "declare_absence", lambda _: made.calls.append("declare absence"))
    monkeypatch.setattr(waiting, "_POLL_S", 0.001)
    monkeypatch.setattr(room, "feed_router", lambda *_: None)
    monkeypatch.setattr(room, "read_bridge", lambda: None)
    monkeypatch.setattr(room, "tear_down", lambda: made.calls.append("tear down"))
    monkeypatch.setattr(stop, "remove_dead_sockets", lambda: None)
    monkeypatch.setattr(stop, "stand_in", nullcontext)
    monkeypatch.setattr(stop, "withdraw_absence", lambda: made.calls.append("withdraw absence"))
    made.on_start = lambda container: _make_network(made, container)
    return made


@pytest.fixture
def api() -> Iterator[FakeRouterApi]:
    with serving({"GET /status": (200, "up"), "GET /ipinfo/defaultsubnet": (200, "10.32.0.0/12")}) as served:
        yield served


@pytest.fixture
def settings(api: FakeRouterApi) -> Settings:
    return read_settings({"WEAVE_HTTP_ADDR": api.address, "DOCKER_BRIDGE": "lo"})


def _make_network(engine: FakeEngine, container: FakeContainer) -> None:
    if container.name == "weaveplugin":
        engine.add_network("weave", "weavemesh")


def _launch(engine: FakeEngine, settings: Settings, plugin: PluginOptions | None = None) -> FakeReporter:
    reporter = FakeReporter()
    room.launch(engine.client, settings, RouterOptions(), plugin or PluginOptions(), reporter)
    return reporter


def test_launch_starts_router_then_plugin(engine: FakeEngine, settings: Settings) -> None:
    reporter = _launch(engine, settings)
    assert engine.calls == [
        "create weave",
        "start weave",
        "declare absence",
        "create weaveplugin",
        "start weaveplugin",
    ]
    assert reporter.notices == []


@pytest.mark.parametrize("has_services", [False, True])
def test_launch_enables_the_managed_plugin_that_a_stop_has_disabled(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch, has_services: bool
) -> None:
    launched = Launched(router="weave-router.service", plugin="weave-plugin.service")
    monkeypatch.setattr(services, "are_installed", lambda: has_services)
    monkeypatch.setattr(launch_services, "launch", lambda *_, **__: launched)
    monkeypatch.setattr(room, "resume_managed", lambda *_: engine.calls.append("resume managed"))
    _launch(engine, settings)
    assert engine.calls[-1] == "resume managed"
    assert has_services == (engine.calls == ["resume managed"])


def test_launch_without_plugin_when_told_so(engine: FakeEngine, settings: Settings) -> None:
    _launch(engine, replace(settings, wants_plugin=False))
    assert list(engine.containers) == ["weave"]


def test_second_launch_fails_and_leaves_the_first_alone(engine: FakeEngine, settings: Settings) -> None:
    _launch(engine, settings)
    before = dict(engine.containers)
    reporter = FakeReporter()
    with pytest.raises(AlreadyRunning, match="weave is already running") as caught:
        room.launch(engine.client, settings, RouterOptions(), PluginOptions(log_level="debug"), reporter)
    assert reporter.notices == []  # of the plugin, there is nothing to say then
    assert caught.value.exit_status == 1
    assert engine.containers == before


def test_stopped_container_of_ours_is_replaced(engine: FakeEngine, settings: Settings) -> None:
    engine.add_ours("weave", status="exited")
    _launch(engine, settings)
    assert engine.calls[:2] == ["remove weave", "create weave"]


def test_restarting_router_is_refused_with_status_3(engine: FakeEngine, settings: Settings) -> None:
    engine.add_ours("weave", status="restarting")
    with pytest.raises(Restarting) as caught:
        _launch(engine, settings)
    assert caught.value.exit_status == 3


@pytest.mark.parametrize("name", ["weave", "weaveplugin"])
@pytest.mark.parametrize("status", ["running", "exited"])
def test_foreign_container_of_our_name_is_refused_with_status_2_before_anything_starts(
    engine: FakeEngine, settings: Settings, name: str, status: str
) -> None:
    engine.add_container(name, status=status)
    with pytest.raises(NameTaken) as caught:
        _launch(engine, settings)
    assert caught.value.exit_status == 2
    assert engine.calls == []


def test_foreign_network_of_our_name_is_refused_with_status_2_before_anything_starts(
    engine: FakeEngine, settings: Settings
) -> None:
    engine.add_network("weave", "bridge")
    with pytest.raises(NameTaken, match=r"network named weave already \(driver bridge\)") as caught:
        _launch(engine, settings)
    assert caught.value.exit_status == 2
    assert caught.value.hint is not None and "docker network rm weave" in caught.value.hint
    assert engine.calls == []


@pytest.mark.parametrize("name", ["other", ""])
def test_foreign_network_matters_only_where_ours_would_be(
    engine: FakeEngine, settings: Settings, name: str
) -> None:
    engine.add_network("weave", "bridge")
    engine.add_network("other", "weavemesh")
    _launch(engine, settings, PluginOptions(mesh_network_name=name))
    assert list(engine.containers) == ["weave", "weaveplugin"]


def test_running_plugin_is_left_alone(engine: FakeEngine, settings: Settings) -> None:
    command = ["python", "-m", "weave_cli.plugin"]
    engine.add_ours("weaveplugin", command=command)
    assert _launch(engine, settings).notices == []
    assert engine.calls == ["create weave", "start weave"]


def test_running_plugin_with_other_options_is_said(engine: FakeEngine, settings: Settings) -> None:
    engine.add_ours("weaveplugin", command=["python", "-m", "weave_cli.plugin"])
    reporter = _launch(engine, settings, PluginOptions(wants_multicast_route=False))
    assert "other options" in reporter.notices[0]
    assert engine.calls == ["create weave", "start weave"]


def test_router_that_dies_is_told_with_its_last_words_and_removed(
    engine: FakeEngine, settings: Settings, api: FakeRouterApi
) -> None:
    api.answers.clear()

    def die(container: FakeContainer) -> None:
        container.restart_count, container.log = 1, "one\nERRO: no such device"

    engine.on_start = die
    with pytest.raises(DockerProblem, match="no such device"):
        _launch(engine, settings)
    assert engine.containers == {}


def test_plugin_that_dies_takes_the_router_of_this_launch_with_it(
    engine: FakeEngine, settings: Settings
) -> None:
    def die(container: FakeContainer) -> None:
        if container.name == "weaveplugin":
            container.status = "exited"

    engine.on_start = die
    with pytest.raises(DockerProblem, match="weaveplugin died"):
        _launch(engine, settings)
    assert engine.containers == {}


def test_interrupt_undoes_what_was_begun(engine: FakeEngine, settings: Settings) -> None:
    def interrupt(_: FakeContainer) -> None:
        raise KeyboardInterrupt

    engine.on_start = interrupt
    with pytest.raises(KeyboardInterrupt):
        _launch(engine, settings)
    assert engine.containers == {}


def test_router_that_is_never_ready_is_given_up(
    engine: FakeEngine, settings: Settings, api: FakeRouterApi
) -> None:
    api.answers["GET /status"] = (503, "not yet")
    made = engine.add_ours("weave", log="INFO: waiting")
    with pytest.raises(DockerProblem, match="waiting"):
        waiting.wait_until(lambda: False, engine.client, made.id, "weave", FakeReporter(), limit_s=0)


def test_plugin_alone_needs_no_network_while_there_is_no_router(
    engine: FakeEngine, settings: Settings, api: FakeRouterApi
) -> None:
    api.answers.clear()
    engine.on_start = None
    container_id = room.launch_plugin(engine.client, settings, PluginOptions(), FakeReporter())
    assert container_id == engine.containers["weaveplugin"].id


@pytest.mark.parametrize("has_allocator", [True, False])
def test_plugin_is_up_without_network_when_the_router_has_no_addresses(
    engine: FakeEngine,
    settings: Settings,
    api: FakeRouterApi,
    monkeypatch: pytest.MonkeyPatch,
    has_allocator: bool,
) -> None:
    is_up: list[bool] = []
    monkeypatch.setattr(room, "wait_until", lambda is_ready, *_: is_up.append(is_ready()))
    engine.on_start = None
    if not has_allocator:
        api.answers["GET /ipinfo/defaultsubnet"] = (404, "404 page not found")
    _launch(engine, settings)
    assert is_up == [True, not has_allocator]


def test_launching_a_running_plugin_again_answers_its_id(engine: FakeEngine, settings: Settings) -> None:
    made = engine.add_ours("weaveplugin")
    assert room.launch_plugin(engine.client, settings, PluginOptions(), FakeReporter()) == made.id


def test_password_goes_into_a_file_of_the_container_and_nowhere_else(
    engine: FakeEngine, settings: Settings
) -> None:
    _launch(engine, replace(settings, password="s3cret"))
    router = engine.containers["weave"]
    assert router.files == {"/weave/password": (0o600, b"s3cret\n")}
    assert "--password-file=/weave/password" in router.command
    assert engine.containers["weaveplugin"].files == {}
    seen = repr((router.command, router.labels, router.host_config, router.environment))
    assert "s3cret" not in seen


def test_launch_without_password_leaves_none_behind(engine: FakeEngine, settings: Settings) -> None:
    _launch(engine, replace(settings, password="s3cret"))
    engine.containers["weave"].status = "exited"
    _launch(engine, settings)
    router = engine.containers["weave"]
    assert router.files == {}
    assert not [word for word in router.command if "password" in word]


def test_password_file_that_others_can_read_starts_nothing(
    engine: FakeEngine, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret")
    file.chmod(0o644)
    engine.add_ours("weave", status="exited")
    with pytest.raises(UsageProblem, match="open to others"):
        room.launch(
            engine.client, settings, RouterOptions(password_file=str(file)), PluginOptions(), FakeReporter()
        )
    assert engine.calls == []


def test_trusted_subnets_without_password_are_pointed_at(engine: FakeEngine, settings: Settings) -> None:
    reporter = FakeReporter()
    options = RouterOptions(trusted_subnets="10.0.0.0/8")
    room.launch_router(engine.client, settings, options, reporter)
    assert reporter.notices == ["WARNING: --trusted-subnets has no effect without a password."]
    assert "--trusted-subnets=10.0.0.0/8" in engine.containers["weave"].command


def test_bridge_without_address_is_refused_unless_dns_is_off(engine: FakeEngine, settings: Settings) -> None:
    elsewhere = replace(settings, docker_bridge="no-such-device")
    with pytest.raises(UsageProblem, match="no-such-device"):
        room.launch_router(engine.client, elsewhere, RouterOptions(), FakeReporter())
    room.launch_router(engine.client, elsewhere, RouterOptions(wants_dns=False), FakeReporter())
    assert "weave" in engine.containers


def test_missing_image_is_built_first(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "find_image", lambda _: "stale")
    monkeypatch.setattr(setup, "restore_image", lambda _: False)
    monkeypatch.setattr(setup, "build_image", lambda *_: engine.calls.append("build"))
    room.launch_router(engine.client, settings, RouterOptions(), FakeReporter())
    assert engine.calls[0] == "build"


def test_busy_port_is_told_with_its_owner(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        preflight, "find_listener", lambda protocol, port, _: "nc (pid 7)" if port == 6783 else None
    )
    with pytest.raises(Exception, match=r"6783/tcp for the mesh: in use by nc \(pid 7\)"):
        _launch(engine, settings)
    assert engine.containers == {}


def test_socket_of_the_vxlan_device_that_is_there_already_is_not_in_the_way(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        preflight, "find_listener", lambda protocol, port, _: UNSEEN_OWNER if protocol == "udp" else None
    )
    _launch(engine, settings)
    assert "weave" in engine.containers


def test_launch_looks_for_the_image_once(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def look(_: object) -> str:
        nonlocal looks
        looks += 1
        return "current"

    monkeypatch.setattr(setup, "find_image", look)
    _launch(engine, settings)
    assert looks == 1
