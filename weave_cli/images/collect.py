"""Gathers the files of the image: where each is on the host, and where it goes. Reads the disk, runs `ldd`.

Shared objects keep their places, so that whatever names them finds them; Python gets a home of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.images.recipe import (
    LEFT_OUT,
    LEFT_OUT_PREFIXES,
    PACKAGE_DIRECTORY,
    PACKAGES_HOME,
    PYTHON_HOME,
    find_distributions,
    find_host_programs,
    find_sources,
)

#: Opened by name at run time, so that no file says it needs them: the end of a thread, name look-ups.
_OPENED_AT_RUN_TIME: Final = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")


@dataclass(slots=True)
class FileTree:
    """What the image holds, by absolute path there: links, and files of the host."""

    files: dict[Path, Path] = field(default_factory=dict)
    links: dict[Path, str] = field(default_factory=dict)

    def add(self, source: Path, target: Path) -> None:
        """A file of the host, under another path."""
        self.files.setdefault(target, source)

    def add_in_place(self, path: Path) -> Path:
        """A file of the host under its own path, with every link on the way; the file at the end of them."""
        for _ in range(40):
            step = Path("/")
            for part in path.parts[1:]:
                step = step / part
                if step.is_symlink():
                    link = os.readlink(step)
                    self.links[step] = link
                    rest = path.relative_to(step)
                    path = Path(os.path.normpath(step.parent / link / rest))
                    break
            else:
                self.files.setdefault(path, path)
                return path
        raise HostProblem(f"cannot make the image: too many links at {path}")


def collect_tree() -> FileTree:
    """Everything; raises HostProblem when this host or Python cannot be made an image of."""
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        raise HostProblem(
            f"cannot make the image from {sys.implementation.name} on {sys.platform}",
            hint="Run weave with CPython on Linux.",
        )
    tree = FileTree()
    interpreter = _add_interpreter(tree)
    _add_standard_library(tree)
    for distribution in find_distributions():
        for path, name in _files_of(distribution):
            tree.add(path, PACKAGES_HOME / name)
    for path in find_sources(PACKAGE_DIRECTORY):
        tree.add(path, PACKAGES_HOME / path.relative_to(PACKAGE_DIRECTORY.parent))
    programs = [tree.add_in_place(path) for path in find_host_programs()]
    objects = [path for path in tree.files.values() if ".so" in path.suffixes]
    extensions = list(_iptables_extensions())
    for path in extensions:
        tree.add_in_place(path)
    _add_libraries(tree, [interpreter, *programs, *objects, *extensions])
    return tree


def _add_interpreter(tree: FileTree) -> Path:
    """The real program behind virtual environments."""
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    tree.add(interpreter, PYTHON_HOME / "bin" / "python3")
    tree.links[PYTHON_HOME / "bin" / "python"] = "python3"
    return interpreter


def _add_standard_library(tree: FileTree) -> None:
    library = Path(sysconfig.get_path("stdlib")).resolve()
    home = PYTHON_HOME / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    for directory, subdirectories, names in os.walk(library):
        subdirectories[:] = sorted(
            name for name in subdirectories if name not in LEFT_OUT and not name.startswith("config-")
        )
        for name in sorted(names):
            path = Path(directory) / name
            if name not in LEFT_OUT and not name.startswith(LEFT_OUT_PREFIXES):
                tree.add(path.resolve(), home / path.relative_to(library))


def _files_of(distribution: metadata.Distribution) -> Iterator[tuple[Path, str]]:
    """Installed files and their places relative to the directory of packages."""
    root = Path(str(distribution.locate_file("")))
    files = distribution.files
    # Debian's own packages do not list their files, or list them where pip would have put them.
    if not files or not all(Path(str(one.locate())).exists() for one in files[:3]):
        tops = (distribution.read_text("top_level.txt") or distribution.metadata["Name"]).split()
        for top in tops:
            base = root / top.replace("-", "_")
            found = base.rglob("*") if base.is_dir() else [base.with_suffix(".py")]
            yield from ((path, str(path.relative_to(root))) for path in sorted(found) if _is_wanted(path))
        return
    for one in files:
        path = Path(str(one.locate()))
        if not str(one).startswith(("..", "/")) and _is_wanted(path):
            yield path.resolve(), str(one)


def _is_wanted(path: Path) -> bool:
    unwanted = {"__pycache__", "tests", "test"}
    return (
        path.is_file()
        and not unwanted.intersection(path.parts)
        and path.suffix not in (".pyi", ".pyx", ".pyc", ".h", ".c")
    )


def _iptables_extensions() -> Iterator[Path]:
    """The modules for matches and targets, which iptables opens by name."""
    for directory in sorted(Path("/").glob("usr/lib*/**/xtables")):
        yield from sorted(directory.glob("*.so"))


def _add_libraries(tree: FileTree, objects: list[Path]) -> None:
    """Every shared object that these need, the dynamic loader included."""
    needed = _list_needed(objects)
    directories = {path.parent for path in needed}
    for name in _OPENED_AT_RUN_TIME:
        needed.update(directory / name for directory in directories if (directory / name).exists())
    for path in sorted(needed):
        tree.add_in_place(path)
    cache = Path("/etc/ld.so.cache")
    if cache.exists():
        tree.add(cache, cache)


def _list_needed(objects: list[Path]) -> set[Path]:
    try:
        answer = subprocess.run(["ldd", *map(str, objects)], capture_output=True, text=True, check=False)
    except OSError as problem:
        raise HostProblem(f"cannot make the image: cannot run ldd: {problem.strerror}") from problem
    needed: set[Path] = set()
    for line in answer.stdout.splitlines():
        name, arrow, place = line.strip().partition(" => ")
        path = (place if arrow else name).partition(" (0x")[0]
        if path.startswith("/") and line.startswith("\t"):
            needed.add(Path(path))
        elif path.startswith("not found"):
            raise HostProblem(f"cannot make the image: the shared library {name} is not found")
    return needed
