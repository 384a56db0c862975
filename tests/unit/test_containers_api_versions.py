"""Which version of the API is spoken: the engine's own, also where old ones are refused (Docker 29: 1.44)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.fakes.docker_api import FakeDockerApi, running_docker
from tests.fakes.until import until
from weave_cli.containers import door, quick
from weave_cli.containers.client import open_docker
from weave_cli.containers.door import DockerDoor
from weave_cli.containers.engine import read_engine_facts
from weave_cli.containers.engine_http import call, open_stream
from weave_cli.containers.lookup import find_running
from weave_cli.errors import DockerProblem

pytestmark = pytest.mark.unit

#: Lowest and highest version of the API of Docker 29, and of a 20.10.
_NEWEST: Final = ("1.44", "1.52")
_OLDEST: Final = ("1.12", "1.41")
_FACTS: Final[dict[str, Any]] = {
    "Id": "c" * 64,
    "Name": "/web",
    "State": {"Pid": 7, "Status": "running"},
    "Config": {"Hostname": "web"},
    "HostConfig": {"NetworkMode": "weave"},
}


def _becomes(api: FakeDockerApi, versions: tuple[str, str], version: str) -> None:
    api.versions = versions
    api.answers["/version"] = {"Version": version, "ApiVersion": versions[1], "MinAPIVersion": versions[0]}
    api.answers["/info"] = {"ServerVersion": version}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeDockerApi]:
    with running_docker(tmp_path) as running:
        running.answers["/containers/web/json"] = _FACTS
        running.answers["/events"] = {"Type": "daemon"}
        yield running


@pytest.mark.parametrize(("versions", "version"), [(_OLDEST, "20.10.24"), (_NEWEST, "29.0.0")])
def test_every_way_to_docker_speaks_its_version(
    api: FakeDockerApi, versions: tuple[str, str], version: str
) -> None:
    _becomes(api, versions, version)
    settings = api.settings()
    client = open_docker(settings)
    assert read_engine_facts(client).version == version
    assert find_running(client, "web") == quick.find_running(settings, "web") is not None
    assert call(settings, "GET", "/info") == (200, {"ServerVersion": version})
    with pytest.raises(DockerProblem, match="no such thing"):
        open_stream(settings, "/containers/web/attach")
    assert {path.split("/")[1] for path in api.asked if path.split("/")[1].startswith("v1.")} == {
        f"v{versions[1]}"
    }


def test_a_version_that_the_user_insists_on_is_refused_in_docker_s_words(api: FakeDockerApi) -> None:
    _becomes(api, _NEWEST, "29.0.0")
    settings = api.settings(DOCKER_API_VERSION="1.41")
    says = r"client version 1\.41 is too old\. Minimum supported API version is 1\.44"
    with pytest.raises(DockerProblem, match=says):
        open_docker(settings)
    with pytest.raises(DockerProblem, match=says):
        quick.find_running(settings, "web")


async def _talks_on(api: FakeDockerApi, settings_door: DockerDoor) -> list[str]:
    """The engine's versions that a daemon saw, across an upgrade behind its back."""
    subscriptions: list[int] = []
    following = asyncio.create_task(
        settings_door.follow_events(lambda: subscriptions.append(1), lambda event: None)
    )
    seen = []
    try:
        for versions, version in ((_OLDEST, "20.10.24"), (_NEWEST, "29.0.0"), (_OLDEST, "20.10.24")):
            _becomes(api, versions, version)
            known = len(subscriptions)
            # One that began before the engine was another one does not count.
            await until(lambda known=known: len(subscriptions) > known + 1)  # type: ignore[misc]
            seen.append((await settings_door.call(read_engine_facts)).version)
    finally:
        following.cancel()
    return seen


def test_a_daemon_outlives_an_upgrade_of_the_engine_and_the_way_back(
    api: FakeDockerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(door, "_DELAY_GROWTH", 1.0)
    assert asyncio.run(_talks_on(api, DockerDoor(api.settings()))) == ["20.10.24", "29.0.0", "20.10.24"]
