"""Which container an errand goes to, and where its image comes from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.reporter import FakeReporter
from weave_cli.containers.errand import Errand
from weave_cli.errors import HostProblem
from weave_cli.operations import elsewhere as room
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

SETTINGS = read_settings({"DOCKER_HOST": "tcp://10.0.0.1:2375"})


class Engine:
    """What the engine has, and where errands went."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.images = {"sha256:ours": "c0ffee"}
        self.plugin: dict[str, Any] | None = None
        self.went: list[str] = []
        self.environments: list[dict[str, str]] = []
        monkeypatch.setattr(room, "call", self.call)
        monkeypatch.setattr(room, "content_id", lambda: "c0ffee")
        monkeypatch.setattr(room, "run_in_helper", self.run_in)
        monkeypatch.setattr(room, "run_in_container", self.run_in)

    def call(self, _: object, __: str, path: str) -> tuple[int, Any]:
        if path.startswith("/images"):
            return 200, [{"Id": key} for key, content in self.images.items() if content in path]
        return (404, {}) if self.plugin is None else (200, self.plugin)

    def run_in(self, _: object, where: str, errand: Errand, __: object) -> int:
        self.went.append(where)
        self.environments.append(dict(errand.environment))
        return 0

    def start_plugin(self, content: str, status: str = "running") -> None:
        labels = {"works.weave.content": content}
        self.plugin = {"State": {"Status": status}, "Config": {"Labels": labels}}

    def send(self, *, needs_host: bool) -> list[str]:
        errand = Errand(words=("status",), environment={"DOCKER_HOST": "unix:///srv/d.sock"})
        room.run_elsewhere(SETTINGS, errand, lambda *_: None, FakeReporter(), needs_host=needs_host)
        return self.went


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(monkeypatch)


def test_question_goes_to_the_plugin_s_container(engine: Engine) -> None:
    engine.start_plugin("c0ffee")
    assert engine.send(needs_host=False) == ["weaveplugin"]
    assert engine.environments == [{}]


@pytest.mark.parametrize(("content", "status"), [("another", "running"), ("c0ffee", "paused")])
def test_plugin_of_another_installation_or_asleep_is_not_asked(
    engine: Engine, content: str, status: str
) -> None:
    engine.start_plugin(content, status)
    assert engine.send(needs_host=False) == ["sha256:ours"]


def test_change_of_the_host_gets_a_container_of_its_own(engine: Engine) -> None:
    engine.start_plugin("c0ffee")
    assert engine.send(needs_host=True) == ["sha256:ours"]
    assert engine.environments == [{"DOCKER_HOST": "unix:///srv/d.sock"}]


def test_machine_that_can_make_no_image_takes_that_of_its_version(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> str:
        raise HostProblem("cannot make the image from cpython on darwin")

    monkeypatch.setattr(room, "content_id", refuse)
    engine.images = {"sha256:theirs": "weave-cli%3A"}
    assert engine.send(needs_host=True) == ["sha256:theirs"]
    engine.images = {}
    with pytest.raises(HostProblem, match="has no image weave-cli") as caught:
        engine.send(needs_host=True)
    assert "weave setup" in (caught.value.hint or "")


def test_programs_of_another_kind_of_machine_are_not_sent() -> None:
    room.check_architecture("amd64", "x86_64")
    room.check_architecture("", "x86_64")
    with pytest.raises(HostProblem, match="for amd64, but Docker runs on arm64"):
        room.check_architecture("arm64", "x86_64")
