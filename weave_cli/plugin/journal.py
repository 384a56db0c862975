"""What the plugin must remember over its own death: networks, endpoints, addresses. SQLite; knows no Docker.

Everything is written before Docker is told that it is so. Writes that a power cut may not undo are synced to
disk; endpoints are not, for no container outlives a power cut. All calls block for a disk access at most, and
come from one thread.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from weave_cli.addresses import format_address
from weave_cli.errors import StoreProblem
from weave_cli.plugin.options import NetworkFacts
from weave_cli.wal import reserve_log

log = logging.getLogger(__name__)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS networks (id TEXT PRIMARY KEY, driver TEXT NOT NULL, multicast INTEGER NOT NULL,
    realm TEXT NOT NULL DEFAULT '', mtu INTEGER NOT NULL DEFAULT 0, is_guess INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS endpoints (
    id TEXT PRIMARY KEY, network TEXT NOT NULL, address TEXT NOT NULL,
    sandbox TEXT NOT NULL DEFAULT '', has_route INTEGER NOT NULL DEFAULT 0,
    is_gone INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS addresses (
    serial INTEGER PRIMARY KEY AUTOINCREMENT, address INTEGER NOT NULL UNIQUE,
    prefix_len INTEGER NOT NULL, is_releasing INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS names (
    container TEXT NOT NULL, address INTEGER NOT NULL, fqdn TEXT NOT NULL,
    PRIMARY KEY (container, address, fqdn)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_FACTS: Final = "driver, multicast, realm, mtu, is_guess"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An address that Docker was given. `serial` differs each time that it is given out."""

    serial: int
    address: int
    prefix_len: int


class Journal:
    """The plugin's database; every method may raise StoreProblem."""

    def __init__(self, path: str) -> None:
        """Open or create it. A broken file is put aside: Docker's own facts allow to go on without."""
        self._path = path
        with _explained(f"open {path}"):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            try:
                self._database = _open(path)
            except sqlite3.DatabaseError as problem:
                if isinstance(problem, sqlite3.OperationalError):
                    raise
                log.error("%s is broken (%s): it is put aside, and a new one begun", path, problem)
                _put_aside(path)
                self._database = _open(path)

    def close(self) -> None:
        self._database.close()

    def save_network(self, network_id: str, facts: NetworkFacts) -> None:
        self._write(
            "INSERT OR REPLACE INTO networks (id, driver, multicast, realm, mtu, is_guess)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (network_id, facts.driver, facts.has_multicast, facts.realm, facts.mtu, facts.is_guess),
            is_durable=True,
        )

    def remove_network(self, network_id: str) -> None:
        self._write("DELETE FROM networks WHERE id = ?", (network_id,))

    def find_network(self, network_id: str) -> NetworkFacts | None:
        """None: never heard of it."""
        row = self._row(f"SELECT {_FACTS} FROM networks WHERE id = ?", (network_id,))
        return None if row is None else _facts_of(row)

    def find_network_of(self, endpoint_id: str) -> NetworkFacts | None:
        """The network of an endpoint, if both are in the books."""
        query = (
            f"SELECT {_FACTS} FROM networks JOIN endpoints ON networks.id = network WHERE endpoints.id = ?"
        )
        row = self._row(query, (endpoint_id,))
        return None if row is None else _facts_of(row)

    def list_networks(self) -> list[tuple[str, NetworkFacts]]:
        rows = self._rows(f"SELECT networks.id, {_FACTS} FROM networks ORDER BY id", ())
        return [(network_id, _facts_of(tuple(rest))) for network_id, *rest in rows]

    def has_endpoints_in(self, realm: str) -> bool:
        """Is there an endpoint in one of the realm's networks that Docker has not done with?"""
        query = (
            "SELECT 1 FROM endpoints JOIN networks ON networks.id = network WHERE NOT is_gone AND realm = ?"
        )
        return self._row(query, (realm,)) is not None

    def has_endpoints(self, network_id: str) -> bool:
        """Is there one that Docker has not done with?"""
        return (
            self._row("SELECT 1 FROM endpoints WHERE NOT is_gone AND network = ?", (network_id,)) is not None
        )

    def save_endpoint(self, endpoint_id: str, network_id: str, address: str) -> None:
        self._write(
            "INSERT OR REPLACE INTO endpoints (id, network, address) VALUES (?, ?, ?)",
            (endpoint_id, network_id, address),
        )

    def save_join(self, endpoint_id: str, sandbox: str, *, has_route: bool) -> None:
        self._write(
            "UPDATE endpoints SET sandbox = ?, has_route = ? WHERE id = ?", (sandbox, has_route, endpoint_id)
        )

    def has_route(self, sandbox: str, *, besides: str) -> bool:
        """Has another endpoint in that sandbox the multicast route?"""
        query = "SELECT 1 FROM endpoints WHERE sandbox = ? AND has_route AND NOT is_gone AND id <> ?"
        return bool(sandbox) and self._row(query, (sandbox, besides)) is not None

    def mark_endpoint_gone(self, endpoint_id: str) -> None:
        """Docker has done with it; its devices may still be there."""
        self._write(
            "INSERT INTO endpoints (id, network, address, is_gone) VALUES (?, '', '', 1)"
            " ON CONFLICT (id) DO UPDATE SET is_gone = 1",
            (endpoint_id,),
        )

    def remove_endpoint(self, endpoint_id: str) -> None:
        self._write("DELETE FROM endpoints WHERE id = ?", (endpoint_id,))

    def list_endpoints(self, *, is_gone: bool) -> list[str]:
        return [
            row[0] for row in self._rows("SELECT id FROM endpoints WHERE is_gone = ? ORDER BY id", (is_gone,))
        ]

    def list_endpoints_at(self, address: int) -> list[str]:
        """Endpoints with that address that Docker has not done with."""
        query = "SELECT id FROM endpoints WHERE NOT is_gone AND address LIKE ? || '/%' ORDER BY id"
        return [row[0] for row in self._rows(query, (format_address(address),))]

    def save_address(self, address: int, prefix_len: int) -> None:
        """Docker gets it (again): a release that was still to be done is off."""
        self._write(
            "INSERT OR REPLACE INTO addresses (address, prefix_len) VALUES (?, ?)",
            (address, prefix_len),
            is_durable=True,
        )

    def mark_address_releasing(self, address: int) -> None:
        """To be given back as soon as the router answers."""
        self._write(
            "INSERT INTO addresses (address, prefix_len, is_releasing) VALUES (?, 32, 1)"
            " ON CONFLICT (address) DO UPDATE SET is_releasing = 1",
            (address,),
            is_durable=True,
        )

    def remove_address(self, address: int) -> None:
        self._write("DELETE FROM addresses WHERE address = ?", (address,))

    def find_serial(self, address: int) -> int | None:
        """Which time of its being given out this is; None: it is not in the books."""
        row = self._row("SELECT serial FROM addresses WHERE address = ?", (address,))
        return None if row is None else int(row[0])

    def find_releasing(self) -> int | None:
        """The longest waiting address that is to be given back."""
        row = self._row("SELECT address FROM addresses WHERE is_releasing ORDER BY serial LIMIT 1", ())
        return None if row is None else int(row[0])

    def is_releasing(self, address: int) -> bool:
        return self._row("SELECT 1 FROM addresses WHERE is_releasing AND address = ?", (address,)) is not None

    def list_held(self) -> list[Held]:
        rows = self._rows("SELECT serial, address, prefix_len FROM addresses WHERE NOT is_releasing", ())
        return [Held(serial=serial, address=address, prefix_len=length) for serial, address, length in rows]

    def save_names(self, container: str, names: Iterable[tuple[int, str]]) -> None:
        """The names that we have given to a container, by address, in place of those before."""
        with _explained(f"write {self._path}"), self._database:
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("DELETE FROM names WHERE container = ?", (container,))
            rows = [(container, address, fqdn) for address, fqdn in names]
            self._database.executemany("INSERT INTO names VALUES (?, ?, ?)", rows)

    def list_names(self) -> list[tuple[str, int, str]]:
        """Container, address and name of all that we have given."""
        return [
            (container, address, fqdn)
            for container, address, fqdn in self._rows("SELECT container, address, fqdn FROM names", ())
        ]

    def save_fact(self, name: str, value: str) -> None:
        self._write("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value), is_durable=True)

    def find_fact(self, name: str) -> str | None:
        row = self._row("SELECT value FROM facts WHERE name = ?", (name,))
        return None if row is None else str(row[0])

    def _write(self, query: str, values: tuple[object, ...], *, is_durable: bool = False) -> None:
        with _explained(f"write {self._path}"):
            self._database.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            self._database.execute(query, values)

    def _row(self, query: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        return next(iter(self._rows(query, values)), None)

    def _rows(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with _explained(f"read {self._path}"):
            return self._database.execute(query, values).fetchall()


def _open(path: str) -> sqlite3.Connection:
    # Every statement is a transaction of its own (isolation_level None).
    database = sqlite3.connect(path, isolation_level=None, timeout=2.0)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        database.executescript(_SCHEMA)
        _complete(database)
        reserve_log(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _complete(database: sqlite3.Connection) -> None:
    """Add what the journal of an earlier version lacks: its networks are parts of the shared one."""
    present = {row[1] for row in database.execute("PRAGMA table_info(networks)")}
    for column in (
        "realm TEXT NOT NULL DEFAULT ''",
        "mtu INTEGER NOT NULL DEFAULT 0",
        "is_guess INTEGER NOT NULL DEFAULT 0",
    ):
        if column.split()[0] not in present:
            database.execute(f"ALTER TABLE networks ADD COLUMN {column}")


def _facts_of(row: tuple[Any, ...]) -> NetworkFacts:
    driver, multicast, realm, mtu, is_guess = row
    return NetworkFacts(
        driver=driver, has_multicast=bool(multicast), realm=realm, mtu=mtu, is_guess=bool(is_guess)
    )


def _put_aside(path: str) -> None:
    os.replace(path, f"{path}.broken")
    for ending in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.unlink(path + ending)


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as problem:
        raise StoreProblem(
            f"cannot {doing}: {problem}", hint="Is the disk full, or the directory not writable?"
        ) from problem
