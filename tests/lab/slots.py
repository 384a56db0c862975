"""A place for one lab on this machine: its number gives names and addresses that no other lab has.

A slot is held by a lock on a file, so it is free as soon as its process has ended, however it ended. What
that process left behind is removed by whoever comes next.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

STATE: Final = Path("/var/tmp/weave-lab")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_SLOTS: Final = 40


class NoSlotFree(Exception):
    """All slots are held by living labs."""


class Slot:
    """One held slot: `prefix` begins every name made for it, `subnet` (`10.200.0`) is its underlay."""

    def __init__(self, number: int, lock: int) -> None:
        self.number = number
        self.prefix = f"wl{number}"
        self.subnet = f"10.{200 + number}.0"
        self.directory = STATE / str(number)
        self._lock = lock
        self._pids = self.directory / "pids.json"

    def remember(self, pid: int) -> None:
        """Record a process to be killed at the end, even when this one crashes before."""
        known = self._recorded()
        known[str(pid)] = _started(pid)
        written = self._pids.with_suffix(".new")
        written.write_text(json.dumps(known))
        written.rename(self._pids)

    def wipe(self) -> None:
        """Kill the recorded processes, then remove namespaces, control groups and disks of this slot."""
        recorded = {int(pid): started for pid, started in self._recorded().items()}
        for pid, started in recorded.items():
            if _started(pid) == started is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for pid, started in recorded.items():
            _wait_gone(pid, started)
        for namespace in sorted(Path("/run/netns").glob(f"{self.prefix}-*")):
            subprocess.run(["ip", "netns", "delete", namespace.name], check=False, capture_output=True)
        remove_cgroups(f"{self.prefix}-")
        shutil.rmtree(self.directory, ignore_errors=True)

    def release(self) -> None:
        """Wipe, then let others have the slot."""
        self.wipe()
        os.close(self._lock)

    def _recorded(self) -> dict[str, int | None]:
        try:
            known: dict[str, int | None] = json.loads(self._pids.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return known


def claim() -> Slot:
    """The first free slot, clean; also cleans up after every lab that died. Raises NoSlotFree."""
    STATE.mkdir(parents=True, exist_ok=True)
    claimed: Slot | None = None
    for number in range(_SLOTS):
        if claimed is not None and not (STATE / str(number)).exists():
            continue
        lock = os.open(STATE / f"{number}.lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        slot = Slot(number, lock)
        if claimed is None:
            slot.wipe()
            slot.directory.mkdir(parents=True)
            claimed = slot
        else:
            slot.release()
    if claimed is None:
        raise NoSlotFree(f"all {_SLOTS} places for labs below {STATE} are in use")
    return claimed


def remove_cgroups(prefix: str) -> None:
    """Remove the empty control groups whose top has this prefix, in the one tree or in each controller's."""
    tops = [*_CGROUPS.glob(f"{prefix}*"), *_CGROUPS.glob(f"*/{prefix}*")]
    for top in tops:
        for directory, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def _started(pid: int) -> int | None:
    """When the process started, in clock ticks since boot: tells it from a later one of the same number."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if after_name[0] == "Z" else int(after_name[19])


def _wait_gone(pid: int, started: int | None, timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while started is not None and _started(pid) == started and time.monotonic() < deadline:
        time.sleep(0.01)
