"""What README.md promises first is what happens, on every engine."""

from __future__ import annotations

from tests.lab import demo
from tests.lab.hosts import LabHost
from tests.lab.matrix import every_engine


@every_engine
def test_the_example_of_the_readme(two_hosts: tuple[LabHost, LabHost]) -> None:
    assert demo.show(*demo.prepare(*two_hosts))
