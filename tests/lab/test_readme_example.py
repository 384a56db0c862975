"""What `make demo` shows: the first example of README.md, typed word by word."""

from __future__ import annotations

import pytest

from tests.lab import demo
from tests.lab.hosts import LabHost


@pytest.mark.parametrize("engine", ["20.10", "26.1"], indirect=True)
def test_the_example_of_the_readme(two_hosts: tuple[LabHost, LabHost]) -> None:
    assert demo.show(*demo.prepare(*two_hosts))
