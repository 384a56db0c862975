"""Fixtures of the kernel tier: an underlay of namespaces, and data planes that are surely ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.namespaces import Host, Underlay
from tests.kernel.planes import Plane
from tests.kernel.routers import Router


@pytest.fixture
def underlay() -> Iterator[Underlay]:
    made = Underlay()
    yield made
    made.close()


@pytest.fixture
def launch(underlay: Underlay) -> Iterator[Callable[..., Plane]]:
    """Starts a data plane on a host and waits until it is ready; ended before the namespaces go."""
    planes: list[Plane] = []

    def start(host: Host, **settings: float) -> Plane:
        planes.append(Plane(host, 0x7A0000000000 + host.number, **settings))
        planes[-1].wait_for("ready")
        return planes[-1]

    yield start
    for plane in planes:
        plane.stop()


@pytest.fixture
def router(underlay: Underlay, tmp_path: Path) -> Iterator[Callable[..., Router]]:
    """Makes routers on hosts of the underlay; all are ended."""
    made: list[Router] = []

    def make(state: Path | None = None) -> Router:
        host = underlay.host()
        made.append(Router(host, state or tmp_path / f"host{host.number}"))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(AssertionError):
            one.kill()
