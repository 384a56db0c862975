"""Finds the shared objects that programs and extension modules need, as the loader would. Reads the disk."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from weave_cli.images.elf import Elf, parse_elf

_CONFIGURATION: Final = Path("/etc/ld.so.conf")
_DEFAULT: Final = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")
#: Debian keeps its libraries one floor further down, by architecture.
_BY_ARCHITECTURE: Final = ("/lib/*-linux-*", "/usr/lib/*-linux-*", "/usr/local/lib/*-linux-*")

#: Opened by name at run time, so that no file says it needs them: the end of a thread, name look-ups.
_OPENED_AT_RUN_TIME: Final = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer of `find_libraries`."""

    paths: frozenset[Path]
    """Where the loader finds them."""
    missing: dict[str, Path]
    """Names that it would not find, each with a file that needs it."""


def system_directories() -> list[Path]:
    """Where the loader looks for what names no place of its own; each once, links resolved."""
    names = list(_read_configuration(_CONFIGURATION))
    for pattern in _BY_ARCHITECTURE:
        names += sorted(glob.glob(pattern))
    real = dict.fromkeys(os.path.realpath(name) for name in (*names, *_DEFAULT))
    return [Path(name) for name in real if os.path.isdir(name)]


def find_libraries(objects: Iterable[Path], interpreter: Path) -> Found:
    """All that these and the interpreter need, and what that needs in turn, the loader itself included."""
    search = _Search(interpreter, system_directories())
    waiting = [interpreter, *objects]
    found = set(search.find_opened_at_run_time())
    waiting += found
    missing: dict[str, Path] = {}
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        real = path.resolve()
        elf = None if real in seen else read_elf(real)
        seen.add(real)
        if elf is None:
            continue
        for name in (*elf.needed, *((elf.interpreter,) if elf.interpreter else ())):
            library = search.find(name, elf, real.parent)
            if library is None:
                missing.setdefault(name, path)
            elif library not in found:
                found.add(library)
                waiting.append(library)
    return Found(paths=frozenset(found), missing=missing)


def read_elf(path: Path) -> Elf | None:
    """None for a file that is none."""
    with path.open("rb") as file:
        start = file.read(4)
        return parse_elf(start + file.read()) if start == b"\x7fELF" else None


@dataclass(slots=True)
class _Search:
    """The loader's rules, with memory."""

    interpreter: Path
    system: list[Path]
    kinds: dict[Path, tuple[int, int] | None] = field(default_factory=dict)

    def find(self, name: str, wanted_by: Elf, origin: Path) -> Path | None:
        """Where the loader finds `name` for a file that lies in `origin`."""
        if "/" in name:
            return Path(name) if os.path.exists(name) else None
        own = expand_search_path(wanted_by, origin)
        # What the interpreter has loaded serves its extension modules, wherever they are.
        beside = self.interpreter.resolve().parent.parent / "lib"
        for directory in (*own, *self.system, beside):
            path = directory / name
            if self._kind(path) == wanted_by.kind:
                return path
        return None

    def find_opened_at_run_time(self) -> Iterator[Path]:
        elf = read_elf(self.interpreter.resolve())
        for name in _OPENED_AT_RUN_TIME:
            path = None if elf is None else self.find(name, elf, self.interpreter.resolve().parent)
            if path is not None:
                yield path

    def _kind(self, path: Path) -> tuple[int, int] | None:
        """Of what class and machine a file is; another architecture's libraries may be installed, too."""
        if path not in self.kinds:
            elf = read_elf(path) if path.is_file() else None
            self.kinds[path] = None if elf is None else elf.kind
        return self.kinds[path]


def expand_search_path(elf: Elf, origin: Path) -> list[Path]:
    """The directories that a file in `origin` names itself."""
    texts = (
        text.replace("${ORIGIN}", str(origin)).replace("$ORIGIN", str(origin)) for text in elf.search_path
    )
    return [Path(os.path.normpath(text)) for text in texts if text.startswith("/")]


def _read_configuration(path: Path) -> Iterator[str]:
    """The directories of ld.so.conf and of the files that it includes."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for included in sorted(glob.glob(os.path.join(path.parent, pattern))):
                    yield from _read_configuration(Path(included))
        else:
            yield from words
