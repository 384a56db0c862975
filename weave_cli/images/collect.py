"""Gathers what the image holds: files of this host, each at its own place there. Reads the disk.

Since everything keeps its place, whatever names a file finds it: the paths that shared objects carry,
Python's own, and those in a traceback, which are the host's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.images import installation
from weave_cli.images.libraries import find_libraries, system_directories

#: First in PATH, so that `python` is our interpreter whatever it is called on the host.
PROGRAMS: Final = Path("/weave/bin")

_LOADER_CACHE: Final = Path("/etc/ld.so.cache")


@dataclass(slots=True)
class FileTree:
    """Absolute paths: files, none of which lies behind a link, and links with what they say."""

    files: set[Path] = field(default_factory=set)
    links: dict[Path, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """Files that the host has not, by their paths in the image."""
    _places: dict[Path, Path] = field(default_factory=dict)

    def add(self, path: Path) -> Path:
        """A file of the host and every link on the way to it; where it really lies."""
        real = self._place(path)
        self.files.add(real)
        return real

    def _place(self, path: Path) -> Path:
        """The real path. Its links become ours; each directory is looked at once."""
        if path not in self._places:
            self._places[path] = self._find_place(path)
        return self._places[path]

    def _find_place(self, path: Path) -> Path:
        if path == path.parent:
            return path
        parent = self._place(path.parent)
        if path.name == "..":
            return parent.parent
        real = parent / path.name
        try:
            link = os.readlink(real)
        except OSError:
            return real
        self.links[real] = link
        return self._place(parent / link)


def collect_tree() -> FileTree:
    """Everything; raises HostProblem when this host or Python cannot be made an image of."""
    tree = FileTree()
    interpreter = tree.add(installation.find_interpreter())
    tree.links[PROGRAMS / "python"] = str(interpreter)
    distributions = installation.find_distributions()
    for path in installation.find_standard_library():
        tree.add(path)
    for distribution in distributions:
        for path in installation.find_files(distribution):
            tree.add(path)
    for path in installation.find_sources():
        tree.add(path)
    extensions = sorted(path for path in tree.files if ".so" in path.suffixes)
    programs = [tree.add(path) for path in installation.find_host_programs()]
    programs += [tree.add(path) for path in _iptables_extensions()]
    _add_libraries(tree, interpreter, programs, extensions)
    tree.environment = {
        "PATH": f"{PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONHOME": installation.python_home(),
        "PYTHONPATH": ":".join(map(str, installation.python_path(distributions))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
    }
    return tree


def _iptables_extensions() -> Iterator[Path]:
    """The modules for matches and targets, which iptables opens by name."""
    for directory in system_directories():
        yield from sorted((directory / "xtables").glob("*.so"))


def _add_libraries(tree: FileTree, interpreter: Path, programs: list[Path], extensions: list[Path]) -> None:
    """What an extension module lacks, it lacks on the host too; interpreter and iptables must be whole."""
    found = find_libraries([*programs, *extensions], interpreter)
    for name, needed_by in found.missing.items():
        if needed_by == interpreter or needed_by in programs:
            raise HostProblem(
                f"cannot make the image: {needed_by} needs the shared library {name}, which is not found",
                hint="If it is in a directory of its own, name that in /etc/ld.so.conf and run ldconfig.",
                code=Code.IMAGE,
            )
    for path in sorted(found.paths):
        tree.add(path)
    if _LOADER_CACHE.exists():
        tree.add(_LOADER_CACHE)
