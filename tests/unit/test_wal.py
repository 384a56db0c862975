"""The log that has its full length from the start: it neither grows, nor changes what is read back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from weave_cli.wal import _LOG_BYTES, reserve_log


def opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    return database


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


@pytest.mark.parametrize("is_new", [True, False])
def test_log_does_not_grow(tmp_path: Path, is_new: bool) -> None:
    path = tmp_path / "some.db"
    if not is_new:
        former = opened(path)
        former.execute("CREATE TABLE given (address INTEGER PRIMARY KEY, ident TEXT)")
        former.close()
    database = opened(path)
    reserve_log(database, path)
    assert log_of(path).stat().st_size == _LOG_BYTES
    database.execute("CREATE TABLE IF NOT EXISTS given (address INTEGER PRIMARY KEY, ident TEXT)")
    for address in range(1000):
        database.execute("INSERT INTO given VALUES (?, ?)", (address, "c" * 64))
    assert log_of(path).stat().st_size == _LOG_BYTES
    database.close()


@pytest.mark.parametrize("commits", [0, 1, 30, 300])
def test_what_was_committed_is_read_after_a_crash(tmp_path: Path, commits: int) -> None:
    path = tmp_path / "some.db"
    database = opened(path)
    database.execute("CREATE TABLE given (address INTEGER PRIMARY KEY)")
    reserve_log(database, path)
    for address in range(commits):
        database.execute("INSERT INTO given VALUES (?)", (address,))
    crashed = tmp_path / "crashed.db"
    for ending in ("", "-wal"):
        Path(f"{crashed}{ending}").write_bytes(Path(f"{path}{ending}").read_bytes())
    again = opened(crashed)
    reserve_log(again, crashed)
    assert again.execute("SELECT count(*) FROM given").fetchone() == (commits,)
    assert again.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again.execute("INSERT INTO given VALUES (9999)")
    again.close()
    database.close()


def test_database_without_room_for_the_log_works(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "some.db"
    database = opened(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LOG_BYTES // 2, limits[1]))
    try:
        reserve_log(database, path)
        database.execute("CREATE TABLE given (address INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO given VALUES (1)")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert database.execute("SELECT count(*) FROM given").fetchone() == (1,)
    database.close()


def test_little_room_is_left_for_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weave_cli.wal._ROOM_BYTES", 1 << 62)
    path = tmp_path / "some.db"
    database = opened(path)
    reserve_log(database, path)
    assert log_of(path).stat().st_size < _LOG_BYTES
    database.close()
