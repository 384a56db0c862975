"""What the tests here share. None depends on which Docker the person who runs it has chosen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.router_http import FakeRouterApi, serving


@pytest.fixture(autouse=True)
def no_docker_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CLIENT_ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker"))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRouterApi]:
    """A router that has nothing to tell, where commands look for one."""
    with serving({}) as served:
        monkeypatch.setenv("WEAVE_HTTP_ADDR", served.address)
        yield served
