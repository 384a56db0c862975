"""The image in Docker: whether it is there, how it is imported, what becomes of the one before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from docker.errors import ImageNotFound

from tests.fakes.docker_client import refusal
from weave_cli.containers.client import Docker
from weave_cli.errors import DockerProblem
from weave_cli.images import builder, recipe
from weave_cli.images.builder import build_image, find_image, parse_import_answer, quote, restore_image
from weave_cli.images.collect import FileTree
from weave_cli.images.recipe import CONTENT_FILE
from weave_cli.names import image_name


@dataclass
class FakeImages:
    """The engine's images, name to id and labels; plays the SDK's `client.images` and `client.api`."""

    images: dict[str, SimpleNamespace] = field(default_factory=dict)
    """By name, and by id."""
    removed: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    received: int = 0
    in_use: bool = False
    error: str | None = None
    tagged: list[tuple[str, ...]] = field(default_factory=list)
    tree: FileTree = field(default_factory=FileTree)
    """What is packed."""

    @property
    def client(self) -> Docker:
        return cast(Docker, SimpleNamespace(images=self, api=self))

    def add(self, content: str, *other_names: str) -> None:
        """The image of an earlier launch; its tags are those that it has once another one has our name."""
        image = SimpleNamespace(
            id="sha256:old", labels={"works.weave.content": content}, tags=list(other_names)
        )
        self.images[image_name()] = self.images[image.id] = image

    def get(self, name: str) -> SimpleNamespace:
        if name not in self.images:
            raise ImageNotFound(f"No such image: {name}")
        return self.images[name]

    def import_image_from_stream(
        self, stream: Iterator[bytes], repository: str, tag: str, changes: list[str]
    ) -> str:
        self.received = sum(map(len, stream))
        self.changes = changes
        lines = [{"status": "Importing"}, {"error": self.error} if self.error else {"status": "sha256:new"}]
        return "".join(json.dumps(line) + "\r\n" for line in lines)

    def remove_image(self, image: str) -> None:
        if self.in_use:
            raise refusal("conflict: image is being used", 409)
        self.removed.append(image)

    def list(self, filters: dict[str, str]) -> Sequence[SimpleNamespace]:  # as the SDK calls it
        key, _, value = filters["label"].partition("=")
        return [image for image in self.images.values() if image.labels.get(key) == value]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeImages:
    """An engine without our image, and an installation that is quick to pack."""
    tree = FileTree(environment={"PATH": "/weave/bin:/bin", "PYTHONHOME": "/home/$x"})
    monkeypatch.setattr(builder, "collect_tree", lambda: tree)
    monkeypatch.setattr(builder, "content_id", lambda: "c0ffee")
    return FakeImages(tree=tree)


def test_image_is_missing_stale_or_current(engine: FakeImages) -> None:
    assert find_image(engine.client) == "missing"
    engine.add("of another installation")
    assert find_image(engine.client) == "stale"
    engine.add("c0ffee")
    assert find_image(engine.client) == "current"


def test_image_of_this_installation_gets_its_name_back(engine: FakeImages) -> None:
    engine.add("of another installation")
    assert not restore_image(engine.client)
    engine.images["sha256:ours"] = SimpleNamespace(
        id="sha256:ours",
        labels={"works.weave.content": "c0ffee"},
        tag=lambda *name: engine.tagged.append(name),
    )
    assert restore_image(engine.client)
    assert engine.tagged == [tuple(image_name().split(":"))]


def test_image_says_of_what_it_is_to_commands_in_it(
    engine: FakeImages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    build_image(engine.client, lambda text: None)
    assert engine.tree.texts == {CONTENT_FILE: "c0ffee\n"}
    monkeypatch.setattr(recipe, "CONTENT_FILE", str(tmp_path / "content"))
    (tmp_path / "content").write_text("c0ffee\n")
    assert recipe.content_id() == "c0ffee"
    with pytest.raises(DockerProblem, match="was removed while"):
        build_image(engine.client, lambda text: None)


def test_image_is_imported_with_environment_and_label(engine: FakeImages) -> None:
    assert build_image(engine.client, lambda text: None) == "sha256:new"
    assert engine.received > 1024
    assert "LABEL works.weave.content=c0ffee" in engine.changes
    assert 'ENV PATH="/weave/bin:/bin"' in engine.changes
    assert r'ENV PYTHONHOME="/home/\$x"' in engine.changes
    assert engine.removed == []


def test_image_before_goes(engine: FakeImages) -> None:
    engine.add("of another installation")
    build_image(engine.client, lambda text: None)
    assert engine.removed == ["sha256:old"]


def test_image_before_stays_while_containers_use_it(engine: FakeImages) -> None:
    engine.add("of another installation")
    engine.in_use = True
    assert build_image(engine.client, lambda text: None) == "sha256:new"


def test_image_before_stays_under_another_name(engine: FakeImages) -> None:
    engine.add("of another installation", "weave-cli:yesterday")
    build_image(engine.client, lambda text: None)
    assert engine.removed == []


def test_refusal_in_the_answer_is_an_error(engine: FakeImages) -> None:
    engine.add("of another installation")
    engine.error = "no space left on device"
    with pytest.raises(DockerProblem, match="no space left on device"):
        build_image(engine.client, lambda text: None)
    assert engine.removed == []


def test_empty_answer_is_an_error() -> None:
    with pytest.raises(DockerProblem, match="answered nothing"):
        parse_import_answer("")


def test_values_are_quoted_for_docker() -> None:
    assert quote(r'/a b/$c"d\e') == r'"/a b/\$c\"d\\e"'
