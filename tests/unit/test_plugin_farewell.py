"""Seeing containers off: only while Docker ends, and not for ever."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from weave_cli.plugin.farewell import has_docker_started, is_docker_there, see_off
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


def test_a_docker_that_has_just_started_is_told_from_one_that_was_there(tmp_path: Path) -> None:
    program = tmp_path / "dockerd"
    shutil.copy("/bin/sleep", program)
    started = subprocess.Popen([str(program), "600"])
    shown, old = tmp_path / "shown" / str(started.pid), tmp_path / "old" / "7"
    shown.parent.mkdir()
    old.mkdir(parents=True)

    def is_new(processes: Path) -> bool:
        return asyncio.run(has_docker_started(within_s=60, processes=str(processes)))

    try:
        shown.symlink_to(f"/proc/{started.pid}")
        assert is_new(shown.parent)
        (old / "stat").write_text(f"7 (dockerd) S {'0 ' * 40}")
        assert not is_new(old.parent)
        (old / "stat").write_text((shown / "stat").read_text().replace("(dockerd)", "(other)"))
        assert not is_new(old.parent)
        assert not is_new(tmp_path / "none")
    finally:
        started.kill()
        started.wait()


AWAY = read_settings({"DOCKER_HOST": "unix:///nonexistent/docker.sock"})
