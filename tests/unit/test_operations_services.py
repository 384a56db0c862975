"""Services: whose Docker they can be for, and what their end leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from weave_cli.errors import HostProblem
from weave_cli.operations import services
from weave_cli.operations.service_docker import find_obstacle

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("state", ["active", "activating", "reloading"])
def test_docker_that_its_unit_runs_is_in_order(state: str) -> None:
    assert find_obstacle({"DockerRootDir": "/var/lib/docker", "SecurityOptions": None}, state) is None


@pytest.mark.parametrize(
    ("info", "state", "words"),
    [
        ({"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"]}, "inactive", "without root"),
        ({"SecurityOptions": ["name=rootless"]}, "active", "without root"),  # that unit runs another Docker
        ({"DockerRootDir": "/var/snap/docker/common/var-lib-docker"}, "inactive", "snap"),
        ({"DockerRootDir": "/var/lib/docker"}, "inactive", "docker.service is inactive"),
        ({}, "", "docker.service is unknown"),
    ],
)
def test_any_other_is_named_with_what_to_do(info: dict[str, Any], state: str, words: str) -> None:
    found = find_obstacle(info, state)
    assert found is not None and words in found.message and found.hint


def test_a_state_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    monkeypatch.setattr(services, "SERVICE_STATE", str(state))
    services.uninstall()  # there is none
    state.write_text("not to be removed as a directory")
    with pytest.raises(HostProblem, match=str(state)) as caught:
        services.uninstall()
    assert "password" in (caught.value.hint or "")
