"""Who holds a lock on a file, by what the kernel tells of open files: no record that could go stale."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_PROGRAM: Final = "weave"


def find_holder(path: Path, octet: int | None, *, proc: Path = _PROC) -> str | None:
    """Who holds the whole file's lock, or that of one octet: `'weave attach' (pid 4711)`; None: not seen.

    Whoever waits for the lock has the file open, too, but shows no lock.
    """
    for process in proc.iterdir():
        if process.name.isdigit() and process.name != str(os.getpid()):
            # It may end while we look, and another user's is closed to us.
            with suppress(OSError):
                if any(_is_wanted(line, octet) for line in _locks(process, path)):
                    return f"'{_name(process)}' (pid {process.name})"
    return None


def _locks(process: Path, path: Path) -> Iterator[Sequence[str]]:
    """The words of each lock that the process holds on the file (proc(5), fdinfo)."""
    for descriptor in (process / "fd").iterdir():
        # Of the file itself: a helper container may see it below another folder.
        if Path(os.readlink(descriptor)).name != path.name or not os.path.samefile(descriptor, path):
            continue
        for line in (process / "fdinfo" / descriptor.name).read_text().splitlines():
            label, _, words = line.partition(":")
            if label == "lock":
                yield words.split()


def _is_wanted(words: Sequence[str], octet: int | None) -> bool:
    """words: number, kind, `ADVISORY`, `WRITE`, pid, file, first octet, last octet."""
    if len(words) != 8:
        return False
    return words[1] == "FLOCK" if octet is None else words[1] == "OFDLCK" and words[6] == str(octet)


def _name(process: Path) -> str:
    """`weave attach`: the command's name, and nothing of its arguments, as a password may be among them."""
    words = (process / "cmdline").read_text(errors="replace").split("\0")
    place = next((index for index, word in enumerate(words) if Path(word).name == _PROGRAM), None)
    if place is None:
        return (process / "comm").read_text().strip()
    command = next((word for word in words[place + 1 :] if word and not word.startswith("-")), "")
    return f"{_PROGRAM} {command}".rstrip()
