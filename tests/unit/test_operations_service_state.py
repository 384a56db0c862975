"""State on its way between the volume and the services."""

from __future__ import annotations

from pathlib import Path

import pytest

from weave_cli.operations.service_state import clear_state, copy_state

pytestmark = pytest.mark.unit

_SWARM = {"swarm-plugin.db": "s", "swarm-plugin.db-wal": "w"}


def test_journal_of_the_managed_plugin_stays_where_it_is(tmp_path: Path) -> None:
    volume, services = tmp_path / "volume", tmp_path / "services"
    volume.mkdir()
    _write(volume, {"router.db": "1", "router.db-wal": "2", "plugin.db": "3", **_SWARM})
    copy_state(volume, services)
    clear_state(volume)
    assert _read(services) == {"router.db": "1", "router.db-wal": "2", "plugin.db": "3"}
    assert _read(volume) == _SWARM
    assert services.stat().st_mode & 0o777 == 0o700
    # And back: what belongs to services alone does not come along.
    (services / "router.db-wal").unlink()
    _write(services, {"router.db": "4", "password": "secret", "restart.sentinel": ""})
    copy_state(services, volume)
    assert _read(volume) == {"router.db": "4", "plugin.db": "3", **_SWARM}


def _write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (directory / name).write_text(text)


def _read(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}
