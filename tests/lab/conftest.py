"""Fixtures of the lab tier: hosts that live for the whole run and are clean again after each test.

`--engine` chooses the engine; a test that runs on several says `@every_engine` (from tests.lab.matrix) or
parametrises the `engine` fixture itself.
"""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Generator, Iterator
from types import FrameType

import pytest

from tests.lab import engines
from tests.lab.hosts import Lab, LabHost


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the hosts have to say, before they are cleaned."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if call.when == "call" and report.failed and isinstance(lab, Lab):
        for name, seen in lab.describe().items():
            report.sections.append((f"{name} when the test failed", seen))
    return report


@pytest.fixture(scope="session")
def lab_of() -> Iterator[Callable[[str], Lab]]:
    """Gives the run's lab for an engine's version; ends them all, however the run ends."""
    labs: dict[str, Lab] = {}

    def find(version: str) -> Lab:
        if version not in labs:
            labs[version] = Lab(engines.prepare(version))
        return labs[version]

    def terminated(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        yield find
    finally:
        for lab in labs.values():
            lab.close()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The version of Docker that this test runs on: its parameter, or that of `--engine`."""
    version = getattr(request, "param", None) or request.config.getoption("--engine")
    assert isinstance(version, str)
    return version


@pytest.fixture
def lab(engine: str, lab_of: Callable[[str], Lab]) -> Iterator[Lab]:
    """The switch and its hosts, which start when they are asked for; clean again after the test."""
    found = lab_of(engine)
    yield found
    for problem in found.clean():
        warnings.warn(f"a host could not be cleaned and was replaced: {problem}", stacklevel=1)


@pytest.fixture
def host(lab: Lab) -> LabHost:
    """One Docker host."""
    return lab.host(1)


@pytest.fixture
def two_hosts(lab: Lab) -> tuple[LabHost, LabHost]:
    """Two Docker hosts that reach each other."""
    return lab.host(1), lab.host(2)


@pytest.fixture
def three_hosts(lab: Lab) -> tuple[LabHost, LabHost, LabHost]:
    """Three Docker hosts that reach each other."""
    return lab.host(1), lab.host(2), lab.host(3)
