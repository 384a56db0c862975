"""What a launch answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """Ids of the containers that run now, or names of services; None for what is not wanted."""

    router: str
    plugin: str | None
    proxy: str | None = None
