"""The managed plugin's life: launched, renewed, left alone while in use, taken apart."""

from __future__ import annotations

import pytest

from tests.fakes.docker_client import FakeEngine, FakePlugin
from tests.fakes.reporter import FakeReporter
from weave_cli.containers import lookup
from weave_cli.containers.lifecycle import NameTaken
from weave_cli.containers.specs import PluginOptions
from weave_cli.errors import DockerProblem
from weave_cli.names import SWARM_DRIVER
from weave_cli.operations import rehearsal
from weave_cli.operations import stop as stop_room
from weave_cli.operations import swarm_plugin as room
from weave_cli.settings import Settings, read_settings

pytestmark = pytest.mark.unit

FOREIGN = {"entrypoint": ["x"], "env": [], "mounts": []}


@pytest.fixture
def settings() -> Settings:
    return read_settings({})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """An engine in a swarm, with the image."""
    monkeypatch.setattr(room, "setup", lambda *_: None)
    monkeypatch.setattr(room, "content_id", lambda: "content")
    monkeypatch.setattr(lookup, "read_image_environment", lambda *_: ("PATH=/weave/bin",))
    monkeypatch.setattr(stop_room, "remove_dead_sockets", lambda: None)
    monkeypatch.setattr(rehearsal, "list_sockets", list)
    return FakeEngine(is_in_swarm=True)


def launch(engine: FakeEngine, settings: Settings, **options: str) -> list[str]:
    """What the engine was asked to do."""
    before = len(engine.calls)
    room.launch_managed(engine.client, settings, PluginOptions(**options), FakeReporter())  # type: ignore[arg-type]
    return [call for call in engine.calls[before:] if "nameless" not in call]


def test_without_a_swarm_nothing_is_made(engine: FakeEngine, settings: Settings) -> None:
    engine.is_in_swarm = False
    with pytest.raises(DockerProblem, match="in no swarm") as caught:
        launch(engine, settings)
    assert "docker swarm init" in (caught.value.hint or "")
    assert engine.calls == []


def test_launch_makes_and_enables_it_once(engine: FakeEngine, settings: Settings) -> None:
    assert launch(engine, settings) == [f"create plugin {SWARM_DRIVER}", f"enable {SWARM_DRIVER}"]
    assert launch(engine, settings) == []


def test_other_options_or_another_installation_replace_it(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = [
        f"disable {SWARM_DRIVER}",
        f"remove plugin {SWARM_DRIVER}",
        f"create plugin {SWARM_DRIVER}",
        f"enable {SWARM_DRIVER}",
    ]
    launch(engine, settings)
    assert launch(engine, settings, log_level="debug") == replaced
    monkeypatch.setattr(room, "content_id", lambda: "newer content")
    assert launch(engine, settings, log_level="debug") == replaced


def test_one_that_somebody_else_made_is_left_alone(engine: FakeEngine, settings: Settings) -> None:
    engine.plugins[SWARM_DRIVER] = FakePlugin(id="x", config=FOREIGN, is_enabled=True)
    with pytest.raises(NameTaken, match="not made by weave"):
        launch(engine, settings)
    stop_room.stop_plugin(engine.client, FakeReporter())
    room.dissolve_managed(engine.client, FakeReporter())
    assert engine.plugins[SWARM_DRIVER].is_enabled


def test_one_that_cannot_be_enabled_is_taken_away(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise DockerProblem("cannot enable plugin weave:swarm: dial unix")

    monkeypatch.setattr(room, "enable_managed", refuse)
    with pytest.raises(DockerProblem, match="dial unix") as caught:
        launch(engine, settings)
    assert "weave launch-plugin --managed" in (caught.value.hint or "")
    assert engine.plugins == {}


def test_stop_disables_it_and_a_launch_enables_it(engine: FakeEngine, settings: Settings) -> None:
    launch(engine, settings)
    deeds = [str(deed) for deed in rehearsal.rehearse_stop_plugin(engine.client, FakeReporter())]
    assert deeds == [f"disable plugin {SWARM_DRIVER}"]
    stop_room.stop_plugin(engine.client, FakeReporter())
    assert not engine.plugins[SWARM_DRIVER].is_enabled
    room.resume_managed(engine.client, FakeReporter())
    assert engine.plugins[SWARM_DRIVER].is_enabled


def test_stop_leaves_it_while_containers_are_on_its_networks(engine: FakeEngine, settings: Settings) -> None:
    launch(engine, settings)
    engine.add_network("shop", SWARM_DRIVER, {"1": "web"})
    for act in (
        stop_room.stop_plugin,
        lambda client, reporter: list(rehearsal.rehearse_stop_plugin(client, reporter)),
    ):
        reporter = FakeReporter()
        act(engine.client, reporter)
        assert "shop: web" in "\n".join(reporter.notices)
        assert engine.plugins[SWARM_DRIVER].is_enabled


def test_reset_cuts_containers_off_and_leaves_the_networks_to_the_swarm(
    engine: FakeEngine, settings: Settings
) -> None:
    launch(engine, settings)
    network = engine.add_network("shop", SWARM_DRIVER, {"1": "web"})
    reporter = FakeReporter()
    room.dissolve_managed(engine.client, reporter)
    assert network.attached == {} and engine.plugins == {} and network.id in engine.networks
    said = "\n".join(reporter.notices)
    assert "Cut off from network shop: web." in said
    assert "docker network rm shop" in said
