"""The router's database: what comes back, what it refuses, and what a power cut leaves."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.stored_allocators import StoredMesh, StoredPeer
from weave_cli.addresses import Range, parse_cidr
from weave_cli.errors import StoreProblem
from weave_cli.names import PeerName
from weave_cli.router.ipam.books import Holding
from weave_cli.router.ipam.ring import VERSIONS_AHEAD, Entry, Ring
from weave_cli.router.ipam.territory import Saved
from weave_cli.router.runtime.store import Store

US, OTHER = PeerName(0x7A0000000001), PeerName(0x7A0000000002)
WHOLE = parse_cidr("10.32.0.0/24").network


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "weave.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path)) as opened:
        opened.save_peer_name(US)
        yield opened


def reopened(store: Store, path: Path) -> Store:
    """The file, opened by a later life of the same name."""
    store.close()
    later = Store(path)
    later.save_peer_name(US)
    return later


def ring_of(*entries: Entry, whole: Range = WHOLE, seeds: tuple[PeerName, ...] = (US, OTHER)) -> Ring:
    return Ring(whole, entries, seeds)


def writes(store: Store) -> int:
    """How many changes the database has seen."""
    total: int = store._db.total_changes
    return total


def test_new_file_knows_nothing(path: Path) -> None:
    with closing(Store(path)) as store:
        assert store.peer_name() is None
        assert store.targets() is None
        assert store.load() == Saved(None, {})


def test_everything_comes_back_as_it_was(store: Store, path: Path) -> None:
    theirs = Entry(token=WHOLE.start + 128, peer=OTHER, version=7, free=100)
    store.save_ring(ring_of(Entry(token=WHOLE.start, peer=US, version=3, free=126), theirs))
    second, first = parse_cidr("10.32.0.9/24"), parse_cidr("10.32.0.2/24")
    store.add_owned("b", second, False)
    store.add_owned("a", parse_cidr("10.32.0.1/24"), True)
    store.add_owned("b", first, False)
    store.save_targets(["host2", "10.0.0.3:6784"])
    with closing(reopened(store, path)) as later:
        saved = later.load()
        assert later.peer_name() == US
        assert later.targets() == ["host2", "10.0.0.3:6784"]
    assert saved.ring is not None
    assert (saved.ring.whole, saved.ring.seeds) == (WHOLE, (US, OTHER))
    assert [(one.token, one.peer) for one in saved.ring.entries] == [
        (WHOLE.start, US),
        (WHOLE.start + 128, OTHER),
    ]
    assert saved.ring.entries[1] == theirs
    # The first address of an owner is the one that is found again: order matters.
    assert saved.holdings == {
        "b": Holding(False, [second, first]),
        "a": Holding(True, [parse_cidr("10.32.0.1/24")]),
    }


def test_no_targets_are_not_unknown_targets(store: Store, path: Path) -> None:
    store.save_targets(["a", "b"])
    store.save_targets([])
    with closing(reopened(store, path)) as later:
        assert later.targets() == []


def test_address_that_was_given_back_is_gone(store: Store, path: Path) -> None:
    cidr = parse_cidr("10.32.0.1/24")
    store.add_owned("a", cidr, True)
    store.commit()
    store.remove_owned(cidr)
    store.add_owned("b", cidr, False)
    with closing(reopened(store, path)) as later:
        assert later.load().holdings == {"b": Holding(False, [cidr])}


def test_entries_that_are_no_more_are_gone(store: Store, path: Path) -> None:
    store.save_ring(ring_of(Entry(token=WHOLE.start, peer=US), Entry(token=WHOLE.start + 9, peer=OTHER)))
    store.commit()
    store.save_ring(ring_of(Entry(token=WHOLE.start, peer=OTHER, version=1)))
    with closing(reopened(store, path)) as later:
        ring = later.load().ring
    assert ring is not None
    assert ring.entries == [Entry(token=WHOLE.start, peer=OTHER, version=1)]


def test_ring_of_another_range_replaces_range_and_seeds(store: Store, path: Path) -> None:
    store.save_ring(ring_of(Entry(token=WHOLE.start, peer=US)))
    store.commit()
    whole = parse_cidr("172.16.0.0/16").network
    store.save_ring(ring_of(whole=whole, seeds=()))
    store.commit()
    store.save_ring(ring_of(Entry(token=whole.start, peer=OTHER), whole=whole, seeds=(OTHER,)))
    with closing(reopened(store, path)) as later:
        ring = later.load().ring
    assert ring == ring_of(Entry(token=whole.start, peer=OTHER), whole=whole, seeds=(OTHER,))


def test_seeds_that_are_learnt_late_are_kept(store: Store, path: Path) -> None:
    entry = Entry(token=WHOLE.start, peer=OTHER)
    store.save_ring(ring_of(entry, seeds=()))
    store.commit()
    store.save_ring(ring_of(entry, seeds=(OTHER,)))
    with closing(reopened(store, path)) as later:
        ring = later.load().ring
    assert ring is not None
    assert ring.seeds == (OTHER,)


def test_another_name_forgets_ring_and_addresses_but_not_targets(store: Store, path: Path) -> None:
    store.save_ring(ring_of(Entry(token=WHOLE.start, peer=US)))
    store.add_owned("a", parse_cidr("10.32.0.1/24"), True)
    store.save_targets(["host2"])
    store.close()
    with closing(Store(path)) as later:
        later.save_peer_name(OTHER)
        assert later.load() == Saved(None, {})
        assert later.targets() == ["host2"]
    with closing(Store(path)) as again:
        assert again.peer_name() == OTHER
        again.save_peer_name(OTHER)
        assert again.load() == Saved(None, {})


def test_nothing_is_written_when_nothing_has_changed(store: Store) -> None:
    ring = ring_of(
        Entry(token=WHOLE.start, peer=US, version=1, free=5), Entry(token=WHOLE.end - 1, peer=OTHER)
    )
    store.save_ring(ring)
    store.commit()
    before = writes(store)
    store.commit()
    store.save_ring(ring)
    store.commit()
    store.save_peer_name(US)
    assert writes(store) == before


def test_many_changes_of_our_own_entries_cost_few_writes_and_are_never_behind(
    store: Store, path: Path
) -> None:
    before = writes(store)
    for version in range(1000):
        store.save_ring(ring_of(Entry(token=WHOLE.start, peer=US, version=version)))
        store.commit()
    assert writes(store) - before <= 1000 / VERSIONS_AHEAD + 5
    with closing(reopened(store, path)) as later:
        ring = later.load().ring
    assert ring is not None
    assert ring.entries[0].version >= 999


def test_versions_of_others_are_stored_as_they_are(store: Store, path: Path) -> None:
    for version in (1, 2, 3):
        store.save_ring(ring_of(Entry(token=WHOLE.start, peer=OTHER, version=version, free=version)))
        store.commit()
    with closing(reopened(store, path)) as later:
        ring = later.load().ring
    assert ring is not None
    assert ring.entries == [Entry(token=WHOLE.start, peer=OTHER, version=3, free=3)]


def test_entry_given_away_is_stored_with_its_true_version(store: Store, path: Path) -> None:
    store.save_ring(ring_of(Entry(token=WHOLE.start, peer=US, version=4)))
    store.commit()
    store.save_ring(ring_of(Entry(token=WHOLE.start, peer=OTHER, version=5)))
    with closing(reopened(store, path)) as later:
        ring = later.load().ring
    assert ring is not None
    assert ring.entries == [Entry(token=WHOLE.start, peer=OTHER, version=5)]


def test_highest_version_still_fits_the_wire(store: Store, path: Path) -> None:
    store.save_ring(ring_of(Entry(token=WHOLE.start, peer=US, version=(1 << 32) - 2)))
    with closing(reopened(store, path)) as later:
        ring = later.load().ring
    assert ring is not None
    assert ring.entries[0].version == (1 << 32) - 1


# What it refuses


def test_file_of_something_else_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"certainly no database, " * 200)
    with pytest.raises(StoreProblem, match=f"^cannot open {path}: file is not a database") as problem:
        Store(path)
    assert problem.value.hint == "Move the file away; the router then starts without addresses."
    assert path.read_bytes().startswith(b"certainly")


def test_damaged_file_is_named(store: Store, path: Path) -> None:
    for number in range(200):
        store.add_owned(f"container-{number}" * 10, parse_cidr(f"10.32.0.{number}/24"), True)
    store.close()
    octets = bytearray(path.read_bytes())
    octets[4096 * 3 : 4096 * 6] = b"\xa5" * (4096 * 3)
    path.write_bytes(octets)
    with pytest.raises(StoreProblem, match=f"^cannot open {path}: .*malformed") as problem:
        Store(path)
    assert problem.value.hint == "Move the file away; the router then starts without addresses."


def test_file_of_another_format_is_named(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(StoreProblem, match=r"another version of weave \(format 99, not 1\)") as problem:
        Store(path)
    assert problem.value.hint == "Launch that version, or `weave reset` to start anew."


def test_database_without_our_tables_is_named(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version=1")
    with closing(Store(path)) as store, pytest.raises(StoreProblem, match="no such table") as problem:
        store.peer_name()
    assert problem.value.hint == "Move the file away; the router then starts without addresses."


def test_name_that_is_no_number_is_named(store: Store, path: Path) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE meta SET value = 'seven'")
    with closing(Store(path)) as store, pytest.raises(StoreProblem, match="'seven'"):
        store.peer_name()


@pytest.mark.parametrize("place", ["/proc/sys/net/weave.db", "/proc/nowhere/weave.db", "/dev/null/weave.db"])
def test_place_that_cannot_be_written_is_named(place: str) -> None:
    # Not a directory without write permission: root writes there all the same.
    with pytest.raises(StoreProblem, match=f"^cannot open {place}: ") as problem:
        Store(Path(place))
    assert problem.value.hint == "See that the directory is there and can be written."


def test_second_process_is_kept_out(store: Store, path: Path) -> None:
    program = "import sys, pathlib, weave_cli.router.runtime.store as s; s.Store(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"StoreProblem: cannot open {path}: database is locked" in done.stderr
    store.save_targets(["still ours"])
    store.commit()


def test_failed_commit_is_made_up_for(store: Store, path: Path) -> None:
    """A disk that was full: nothing of the change is there, and all of it once there is room."""
    store.commit()
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages}")
    for number in range(250):
        store.add_owned("x" * 300, parse_cidr(f"10.32.0.{number}/24"), True)
    store.save_ring(ring_of(Entry(token=WHOLE.start, peer=OTHER)))
    for _ in range(2):
        with pytest.raises(StoreProblem, match=f"^cannot write {path}: .*full") as problem:
            store.commit()
        assert problem.value.hint == "Free some space on the disk that Docker keeps volumes on."
    assert store.load() == Saved(None, {})
    store._db.execute("PRAGMA max_page_count=1000000")
    store.commit()
    with closing(reopened(store, path)) as later:
        saved = later.load()
    assert len(saved.holdings["x" * 300].cidrs) == 250
    assert saved.ring == ring_of(Entry(token=WHOLE.start, peer=OTHER))


# Power cuts


@pytest.mark.parametrize("seed", range(2))
def test_every_commit_is_a_place_to_start_from(seed: int, tmp_path: Path) -> None:
    """After each commit, before anybody hears of it, the files are copied; each copy is reloaded."""
    with closing(StoredMesh(tmp_path, seed)) as mesh:
        copies = 0
        for _ in range(40):
            mesh.take_step()
            for peer in mesh.peers.values():
                peer.store.commit()
                copies += 1
                reload_copy(peer, tmp_path / "copy")
            mesh.deliver()
        assert mesh.problems == []
        assert mesh.has_seen("donation", "release", "use", "merge")


def reload_copy(peer: StoredPeer, directory: Path) -> None:
    """What lies on the disk is what the allocator knows, with versions that are not lower."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for file in peer.path.parent.glob(f"{peer.path.name}*"):
        shutil.copy(file, directory / file.name)
    with closing(Store(directory / peer.path.name)) as copy:
        copy.save_peer_name(peer.name)
        saved = copy.load()
    live = peer.allocator
    assert {ident: one.cidrs for ident, one in saved.holdings.items()} == live.owned()
    stored = saved.ring.entries if saved.ring else []
    assert [(one.token, one.peer) for one in stored] == [(one.token, one.peer) for one in peer.ring_entries()]
    for on_disk, known in zip(stored, peer.ring_entries(), strict=True):
        assert on_disk.version >= known.version
        assert on_disk.peer == peer.name or on_disk == known
    again = peer.restarted(saved)
    assert again.owned() == live.owned()
    assert again.view().active == live.view().active


@pytest.mark.parametrize("uses", [1, 19, 20, 21, 200])
def test_old_copy_wins_over_nobody_who_got_the_space_since(store: Store, path: Path, uses: int) -> None:
    """A Go router from which a newer version takes unused space ends itself."""
    ring = ring_of(Entry(token=WHOLE.start, peer=US, free=WHOLE.size))
    for _ in range(uses):
        ring.count_use(WHOLE.start, -1)
        store.save_ring(ring)
        store.commit()
    ring.grant(WHOLE, OTHER)
    with closing(reopened(store, path)) as old:
        restored = old.load().ring
    assert restored is not None and restored.entries[0].peer == US
    assert uses <= restored.entries[0].version < ring.entries[0].version
