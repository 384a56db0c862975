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
from weave_cli.router.ipam.books import Holding
from weave_cli.router.ipam.ring import Entry, Ring
from weave_cli.router.ipam.territory import Saved
from weave_cli.router.runtime.store_ring import RingOnDisk, Statement
from weave_cli.wal import reserve_log

_VERSION: Final = 1
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
    is_container INTEGER NOT NULL,
    position INTEGER NOT NULL
);
CREATE TABLE target (position INTEGER PRIMARY KEY, peer TEXT NOT NULL);
"""

_MOVE_AWAY: Final = "Move the file away; the router then starts without addresses."
#: What to do about SQLite's complaints, by words that are in them.
_ADVICE: Final = {
    "not a database": _MOVE_AWAY,
    "malformed": _MOVE_AWAY,
    "no such table": _MOVE_AWAY,
    "no such column": _MOVE_AWAY,
    "invalid literal": _MOVE_AWAY,
    "disk is full": "Free some space on the disk that Docker keeps volumes on.",
    "database is locked": "Another router uses it: see `docker ps`.",
}


class Store:
    """The open database; raises StoreProblem naming the file and what to do.

    Saving only notes; reading gives what was committed. A commit that fails keeps what was noted, so that
    the next one writes it: nobody hears of an address that is not on the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._us: PeerName | None = None
        self._notes: list[Statement] = []
        self._ring: Ring | None = None
        self._ring_on_disk = RingOnDisk()
        self._next_position = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # The event loop waits while we do: better to hear soon that another router has the file.
            self._db = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        except (sqlite3.Error, OSError) as problem:
            raise self._problem("open", problem) from problem
        try:
            self._open()
        except StoreProblem:
            self._db.close()
            raise

    # Peer name and targets

    def peer_name(self) -> PeerName | None:
        """The name of an earlier life, None on a new host."""
        number = self._number("peer_name")
        return None if number is None else PeerName(number)

    def save_peer_name(self, name: PeerName) -> None:
        """Remember our name, at once; addresses and ring of another name are not ours and are forgotten."""
        self._us = name
        known = self.peer_name()
        if known == name:
            return
        if known is not None:
            for table in ("ring_entry", "seed", "owned"):
                self._note(f"DELETE FROM {table}")
            self._note("DELETE FROM meta WHERE key IN ('ring_start', 'ring_end')")
            self._ring_on_disk = RingOnDisk()
        self._keep("peer_name", str(int(name)))
        self.commit()

    def targets(self) -> list[str] | None:
        """The direct targets as they were saved; None when they never were."""
        if self._find("has_targets") is None:
            return None
        return [str(row[0]) for row in self._query("SELECT peer FROM target ORDER BY position")]

    def save_targets(self, targets: Sequence[str]) -> None:
        """Remember the peers that the operator wants to be connected to."""
        self._note("DELETE FROM target")
        for position, peer in enumerate(targets):
            self._note("INSERT INTO target VALUES (?, ?)", position, peer)
        self._keep("has_targets", "yes")

    # Exposures

    def find_exposures(self) -> str | None:
        """What was saved as text; None when nothing was."""
        return self._find("exposures")

    def save_exposures(self, text: str) -> None:
        """Remember the host's own addresses on the network."""
        self._keep("exposures", text)

    # Networks of all hosts

    def find_networks(self) -> str | None:
        """What was saved as text; None when nothing was."""
        return self._find("networks")

    def save_networks(self, text: str) -> None:
        """Remember their definitions."""
        self._keep("networks", text)

    # The allocator's journal

    def load(self) -> Saved:
        """Ring and addresses of the name that was saved last."""
        start, end = self._number("ring_start"), self._number("ring_end")
        if start is None or end is None:
            return Saved(None, self._holdings())
        rows = self._query("SELECT token, peer, version, free FROM ring_entry ORDER BY token")
        entries = [
            Entry(token=token, peer=PeerName(peer), version=version, free=free)
            for token, peer, version, free in rows
        ]
        seeds = tuple(PeerName(row[0]) for row in self._query("SELECT peer FROM seed ORDER BY peer"))
        self._ring_on_disk = RingOnDisk(Range(start, end), seeds, {one.token: one for one in entries})
        return Saved(Ring(Range(start, end), entries, seeds), self._holdings())

    def save_ring(self, ring: Ring) -> None:
        """Note the ring; what of it is new is found at the commit, since it changes with every address."""
        self._ring = ring

    def add_owned(self, ident: str, cidr: Cidr, is_container: bool) -> None:
        """Note that an address is in use."""
        self._note(
            "INSERT OR REPLACE INTO owned VALUES (?, ?, ?, ?, ?)",
            cidr.address,
            cidr.prefix_len,
            ident,
            is_container,
            self._next_position,
        )
        self._next_position += 1

    def remove_owned(self, cidr: Cidr) -> None:
        """Note that nobody uses an address any more."""
        self._note("DELETE FROM owned WHERE address = ?", cidr.address)

    def commit(self) -> None:
        """Write what was noted to the disk, all or nothing; no write when the disk says it all already."""
        statements = list(self._notes)
        ring_on_disk = self._ring_on_disk
        if self._ring is not None:
            ring_on_disk = self._ring_on_disk.after(self._ring, self._us)
            statements += ring_on_disk.statements_since(self._ring_on_disk)
        if statements:
            self._write(statements)
        self._ring_on_disk = ring_on_disk
        self._notes, self._ring = [], None

    def close(self) -> None:
        """Commit and close."""
        try:
            self.commit()
        finally:
            self._db.close()

    # Inside

    def _open(self) -> None:
        try:
            # Nobody else opens it, which spares half of the bookkeeping of each commit.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            (complaint,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if complaint != "ok":
                raise sqlite3.DatabaseError(f"database disk image is malformed: {complaint}")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")
            reserve_log(self._db, self._path)
        except sqlite3.Error as problem:
            raise self._problem("open", problem) from problem
        if version not in (0, _VERSION):
            raise StoreProblem(
                f"{self._path} was written by another version of weave (format {version}, not {_VERSION})",
                hint="Launch that version, or `weave reset` to start anew.",
            )

    def _note(self, sql: str, *values: object) -> None:
        self._notes.append((sql, values))

    def _write(self, statements: Sequence[Statement]) -> None:
        try:
            if len(statements) == 1:
                # Most commits are one address: a transaction by itself, at half the price.
                self._db.execute(*statements[0])
                return
            self._db.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                self._db.execute(sql, values)
            self._db.execute("COMMIT")
        except sqlite3.Error as problem:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._problem("write", problem) from problem

    def _holdings(self) -> dict[str, Holding]:
        """Owners and their addresses, in the order in which they were given."""
        holdings: dict[str, Holding] = {}
        rows = self._query("SELECT ident, address, prefix_len, is_container FROM owned ORDER BY position")
        self._next_position = 1 + self._query("SELECT ifnull(max(position), 0) FROM owned")[0][0]
        for ident, address, prefix_len, is_container in rows:
            holding = holdings.setdefault(ident, Holding(bool(is_container)))
            holding.cidrs.append(Cidr(address, prefix_len))
        return holdings

    def _find(self, key: str) -> str | None:
        """What was kept under that key; None when nothing was."""
        rows = self._query("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def _keep(self, key: str, text: str) -> None:
        self._note("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, text)

    def _number(self, key: str) -> int | None:
        text = self._find(key)
        try:
            return None if text is None else int(text)
        except ValueError as problem:
            raise self._problem("read", problem) from problem

    def _query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as problem:
            raise self._problem("read", problem) from problem

    def _problem(self, act: str, problem: Exception) -> StoreProblem:
        hints = (hint for words, hint in _ADVICE.items() if words in str(problem))
        return StoreProblem(
            f"cannot {act} {self._path}: {problem}",
            hint=next(hints, "See that the directory is there and can be written."),
        )
