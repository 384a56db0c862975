"""The same surroundings as those of unit tests."""

from __future__ import annotations

from tests.unit.conftest import no_docker_of_the_user

__all__ = ["no_docker_of_the_user"]
