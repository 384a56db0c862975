"""Seeing containers off: only while Docker ends, and not for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from weave_cli.plugin.farewell import is_docker_there, see_off
from weave_cli.plugin.journal import Journal
from weave_cli.settings import read_settings


@pytest.mark.parametrize(("is_ending", "limit_s"), [(False, 60.0), (True, 0.3)])
def test_nobody_is_waited_for_while_docker_goes_on_nor_for_ever(
    tmp_path: Path, is_ending: bool, limit_s: float
) -> None:
    journal = Journal(str(tmp_path / "plugin.db"))
    journal.save_endpoint("e", "n", "10.32.0.1/12")

    async def answer() -> bool:
        return is_ending

    async def run() -> None:
        async with asyncio.timeout(20):
            await see_off(journal, answer, limit_s=limit_s)

    asyncio.run(run())
    assert journal.list_endpoints(is_gone=False) == ["e"]
    journal.close()


def test_the_plugin_stays_until_the_last_endpoint_is_gone(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "plugin.db"))
    for name in ("one", "two"):
        journal.save_endpoint(name, "n", "10.32.0.1/12")

    async def is_ending() -> bool:
        return not await is_docker_there(AWAY)

    async def run() -> None:
        async with asyncio.timeout(20):
            task = asyncio.create_task(see_off(journal, is_ending, limit_s=60))
            journal.mark_endpoint_gone("one")
            done, _ = await asyncio.wait((task,), timeout=0.5)
            assert not done
            journal.mark_endpoint_gone("two")
            await task

    asyncio.run(run())
    journal.close()


AWAY = read_settings({"DOCKER_HOST": "unix:///nonexistent/docker.sock"})
