"""What a router must remember over restarts and power cuts, in one SQLite file.

Peer name, ring, addresses in use, and the peers to connect to. WAL with synchronous=FULL: what was
committed is on the disk (architecture, section 5). Changes are noted, and written together at a `commit`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from weave_cli.addresses import Cidr, Range
from weave_cli.errors import StoreProblem
from weave_cli.names import PeerName
from weave_cli.router.ipam.allocator import Saved
from weave_cli.router.ipam.books import Holding
from weave_cli.router.ipam.ring import Entry, Ring

_VERSION: Final = 1
#: Ring versions of our own entries are stored this much higher than they are.
_VERSIONS_AHEAD: Final = 100
_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ring_entry (
    token INTEGER PRIMARY KEY, peer INTEGER NOT NULL, version INTEGER NOT NULL, free INTEGER NOT NULL
);
CREATE TABLE seed (peer INTEGER PRIMARY KEY);
CREATE TABLE owned (
    address INTEGER PRIMARY KEY,
    prefix_len INTEGER NOT NULL,
    ident TEXT NOT NULL,
    is_container INTEGER NOT NULL
);
CREATE TABLE target (position INTEGER PRIMARY KEY, peer TEXT NOT NULL);
"""


class Store:
    """The open database; raises StoreProblem naming the file and what to do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring: Ring | None = None
        self._written: dict[int, Entry] = {}
        self._reserved: dict[int, int] = {}
        self._us: PeerName | None = None
        self._is_dirty = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            # Nobody else opens it, which spares half of the bookkeeping of each commit.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._prepare()
        except (sqlite3.Error, OSError) as problem:
            raise self._problem("open", problem) from problem

    # Peer name and targets

    def peer_name(self) -> PeerName | None:
        """The name of an earlier life, None on a new host."""
        text = self._meta("peer_name")
        return PeerName(int(text)) if text else None

    def save_peer_name(self, name: PeerName) -> None:
        """Remember our name; addresses and ring of another name are not ours and are forgotten."""
        if self.peer_name() not in (None, name):
            for table in ("ring_entry", "seed", "owned"):
                self._execute(f"DELETE FROM {table}")
        self._us = name
        self._save_meta("peer_name", str(int(name)))

    def targets(self) -> list[str] | None:
        """The direct targets as they were saved; None when they never were."""
        if self._meta("has_targets") is None:
            return None
        return [row[0] for row in self._query("SELECT peer FROM target ORDER BY position")]

    def save_targets(self, targets: Sequence[str]) -> None:
        """Remember the peers that the operator wants to be connected to."""
        self._execute("DELETE FROM target")
        for position, peer in enumerate(targets):
            self._execute("INSERT INTO target VALUES (?, ?)", (position, peer))
        self._save_meta("has_targets", "yes")

    # The allocator's journal

    def load(self) -> Saved:
        """Ring and addresses as they were committed last."""
        start, end = self._meta("ring_start"), self._meta("ring_end")
        if start is None or end is None:
            return Saved(None, self._holdings())
        rows = self._query("SELECT token, peer, version, free FROM ring_entry ORDER BY token")
        entries = [
            Entry(token=token, peer=PeerName(peer), version=version, free=free)
            for token, peer, version, free in rows
        ]
        seeds = [PeerName(row[0]) for row in self._query("SELECT peer FROM seed ORDER BY peer")]
        ring = Ring(Range(int(start), int(end)), entries, seeds)
        self._written = {entry.token: entry for entry in entries}
        return Saved(ring, self._holdings())

    def save_ring(self, ring: Ring) -> None:
        """Note the ring; what of it is new is found at the commit, since it changes with every address."""
        self._ring = ring
        self._is_dirty = True

    def add_owned(self, ident: str, cidr: Cidr, is_container: bool) -> None:
        self._execute(
            "INSERT OR REPLACE INTO owned VALUES (?, ?, ?, ?)",
            (cidr.address, cidr.prefix_len, ident, is_container),
        )

    def remove_owned(self, cidr: Cidr) -> None:
        self._execute("DELETE FROM owned WHERE address = ?", (cidr.address,))

    def commit(self) -> None:
        """Write what was noted to the disk; nothing when nothing was."""
        if self._ring is not None:
            self._write_ring(self._ring)
            self._ring = None
        if self._is_dirty:
            try:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")
            except sqlite3.Error as problem:
                raise self._problem("write", problem) from problem
            self._is_dirty = False

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._db.close()

    def _write_ring(self, ring: Ring) -> None:
        current = {entry.token: entry for entry in ring.entries}
        for token in self._written.keys() - current.keys():
            self._execute("DELETE FROM ring_entry WHERE token = ?", (token,))
        for token, entry in current.items():
            if self._written.get(token) is not entry and not self._is_covered(entry):
                self._write_entry(entry)
        if not self._written or self._meta("ring_start") is None:
            self._save_meta("ring_start", str(ring.whole.start))
            self._save_meta("ring_end", str(ring.whole.end))
        for seed in ring.seeds if not self._written else ():
            self._execute("INSERT OR REPLACE INTO seed VALUES (?)", (seed,))
        self._written = current

    def _is_covered(self, entry: Entry) -> bool:
        """Whether the stored version is one that the entry, still ours, has not passed yet."""
        before = self._written.get(entry.token)
        covered = self._reserved.get(entry.token, -1)
        return before is not None and before.peer == entry.peer == self._us and entry.version <= covered

    def _write_entry(self, entry: Entry) -> None:
        version = entry.version
        if entry.peer == self._us:
            # Every address given out raises the version of its entry. Writing some versions ahead spares
            # nearly all of these writes, and after a restart ours is never lower than one that others saw.
            version += _VERSIONS_AHEAD
            self._reserved[entry.token] = version
        self._execute(
            "INSERT OR REPLACE INTO ring_entry VALUES (?, ?, ?, ?)",
            (entry.token, entry.peer, version, entry.free),
        )

    def _holdings(self) -> dict[str, Holding]:
        holdings: dict[str, Holding] = {}
        rows = self._query("SELECT ident, address, prefix_len, is_container FROM owned ORDER BY rowid")
        for ident, address, prefix_len, is_container in rows:
            holding = holdings.setdefault(ident, Holding(bool(is_container)))
            holding.cidrs.append(Cidr(address, prefix_len))
        return holdings

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")
        elif version != _VERSION:
            raise StoreProblem(
                f"{self._path} was written by another version of weave (format {version}, not {_VERSION})",
                hint="Launch that version, or `weave reset` to start anew.",
            )

    def _meta(self, key: str) -> str | None:
        rows = self._query("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def _save_meta(self, key: str, value: str) -> None:
        self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as problem:
            raise self._problem("read", problem) from problem

    def _execute(self, sql: str, values: Sequence[object] = ()) -> None:
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(sql, values)
        except sqlite3.Error as problem:
            raise self._problem("write", problem) from problem
        self._is_dirty = True

    def _problem(self, act: str, problem: Exception) -> StoreProblem:
        advice = {
            "file is not a database": "Move the file away; the router then starts without addresses.",
            "database or disk is full": "Free some space on the disk that Docker keeps volumes on.",
            "database is locked": "Another router uses it: see `docker ps`.",
        }
        return StoreProblem(
            f"cannot {act} {self._path}: {problem}",
            hint=advice.get(str(problem), "See that the directory is there and can be written."),
        )
