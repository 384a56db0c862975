"""Death at a chosen moment, and what the plugin makes of the call that Docker then repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.unit.test_plugin_server import docker_request, exchange
from weave_cli.plugin.faults import FaultFile, Moment
from weave_cli.plugin.server import DriverServer


def test_fault_file_is_obeyed_once_at_its_call_and_moment(tmp_path: Path) -> None:
    path = tmp_path / "fault"
    deaths: list[tuple[str, Moment]] = []
    now: tuple[str, Moment] = ("", "before")
    faults = FaultFile(str(path), die=lambda: deaths.append(now))
    points: list[tuple[str, Moment]] = [("A.Join", "before"), ("A.Leave", "after"), ("A.Join", "after")]
    for now in points:
        faults.reach(*now)
    path.write_text("A.Join after\n")
    for now in (*points, *points):
        faults.reach(*now)
    assert deaths == [("A.Join", "after")]
    assert not path.exists()


def test_moments_are_around_the_effect(tmp_path: Path) -> None:
    happened: list[str] = []

    async def call(_body: Mapping[str, Any]) -> dict[str, Any]:
        happened.append("effect")
        return {}

    async def run() -> None:
        def reach(name: str, moment: Moment) -> None:
            happened.append(f"{moment} {name}")

        server = DriverServer(str(tmp_path / "d.sock"), {"A.Join": call}, on_reached=reach)
        await server.start()
        try:
            assert await exchange(server.path, docker_request("/A.Join")) == [(200, b"{}\n")]
        finally:
            await server.stop()

    asyncio.run(run())
    assert happened == ["before A.Join", "effect", "after A.Join"]
