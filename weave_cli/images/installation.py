"""What of this host goes into the image: the running Python, packages, ourselves, iptables. Changes nothing.

Virtual environments and pipx are seen through to the interpreter behind them; the system's Python and pyenv's
are that already.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem

Distribution = metadata.Distribution

_OURSELVES: Final = "weave-cli"
_PACKAGE: Final = Path(__file__).resolve().parent.parent

#: Parts of the standard library that no daemon needs.
_LEFT_OUT: Final = frozenset(
    {
        "__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages",
        "test", "tests", "tkinter", "turtledemo", "turtle.py", "venv",
    }
)  # fmt: skip

#: Beginnings of names of parts that no daemon needs: some would bring libraries along, Tcl/Tk all of X11.
_LEFT_OUT_PREFIXES: Final = (
    "_tkinter.", "_test", "_ctypes_test", "xxlimited", "xxsubtype", "readline.", "_curses", "_gdbm.", "_dbm.",
    "config-",
)  # fmt: skip

#: What packages carry along for compilers and type checkers only.
_LEFT_OUT_SUFFIXES: Final = frozenset({".pyc", ".pyi", ".pyx", ".pxd", ".h", ".c", ".a"})

_IPTABLES: Final = (
    "iptables", "iptables-restore", "iptables-nft", "iptables-nft-restore", "iptables-legacy",
    "iptables-legacy-restore",
)  # fmt: skip
_PROGRAM_PATH: Final = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"


def find_interpreter() -> Path:
    """The real program behind virtual environments; raises HostProblem when it is none that we can pack."""
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        raise HostProblem(
            f"cannot make the image from {sys.implementation.name} on {sys.platform}",
            hint="Run weave with CPython on Linux.",
            code=Code.IMAGE,
        )
    path = Path(getattr(sys, "_base_executable", None) or sys.executable)
    if not path.is_file():
        raise HostProblem(
            f"cannot make the image: the Python interpreter {path} is gone",
            hint="Install weave again: pipx reinstall weave-cli, or pip in a new virtual environment.",
            code=Code.IMAGE,
        )
    return path


def python_home() -> str:
    """The value of PYTHONHOME with which the interpreter finds its library."""
    if sys.base_prefix == sys.base_exec_prefix:
        return sys.base_prefix
    return f"{sys.base_prefix}:{sys.base_exec_prefix}"


def find_standard_library() -> Iterator[Path]:
    """Its files, the extension modules included."""
    roots = [sysconfig.get_path("stdlib")]
    roots += [entry for entry in sys.path if entry.endswith("lib-dynload")]
    for root in dict.fromkeys(roots):
        for directory, subdirectories, names in os.walk(root):
            subdirectories[:] = sorted(filter(_is_wanted_name, subdirectories))
            yield from (Path(directory, name) for name in sorted(filter(_is_wanted_name, names)))


def find_distributions() -> list[Distribution]:
    """What our metadata requires, directly or not, as far as it is installed; ourselves not included.

    A requirement that is not installed was not meant for this Python or platform, else pip had installed it.
    Raises HostProblem when we have no metadata.
    """
    found: dict[str, Distribution] = {}
    waiting = _requirements_of_ourselves()
    while waiting:
        name = waiting.pop()
        if name not in found and name != _OURSELVES:
            try:
                found[name] = metadata.distribution(name)
            except metadata.PackageNotFoundError:
                continue
            waiting += parse_requirements(read_facts(found[name]).requirements)
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a distribution says of itself."""

    name: str
    version: str
    requirements: list[str]


def read_facts(distribution: Distribution) -> Facts:
    """The same as its attributes say, each of which would parse all its metadata anew."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    pairs = [line.partition(": ") for line in text.partition("\n\n")[0].splitlines()]
    values = {key: value for key, _, value in reversed(pairs)}
    requirements = [value for key, _, value in pairs if key == "Requires-Dist"]
    if not requirements and distribution.read_text("requires.txt"):  # an older format
        requirements = distribution.requires or []
    return Facts(values.get("Name", ""), values.get("Version", ""), requirements)


def find_record(distribution: Distribution, facts: Facts) -> Path | None:
    """The file that pip writes last; Debian's packages have none."""
    root = Path(str(distribution.locate_file("")))
    plain = re.sub(r"[-_.]+", "_", facts.name)
    for name in dict.fromkeys((plain.lower(), plain, facts.name)):
        record = root / f"{name}-{facts.version}.dist-info" / "RECORD"
        if record.is_file():
            return record
    return next((root / one for one in distribution.files or () if one.name == "RECORD"), None)


def find_files(distribution: Distribution) -> Iterator[Path]:
    """The installed files of a distribution that a daemon may need."""
    root = Path(str(distribution.locate_file("")))
    listed = [one for one in distribution.files or () if ".." not in one.parts and not one.is_absolute()]
    if sum((root / one).exists() for one in listed) * 2 > len(listed):
        relative = [Path(one) for one in listed]
    else:  # Debian's packages list nothing, or what their sources had
        relative = [path.relative_to(root) for path in _find_by_module(distribution, root)]
    yield from (root / path for path in relative if _is_wanted_file(path) and (root / path).is_file())


def find_sources() -> list[Path]:
    """Our own files, wherever we are installed, in editable form too. Raises HostProblem when in a zip."""
    if not _PACKAGE.is_dir():
        raise HostProblem(
            f"cannot make the image: {_PACKAGE} is no directory",
            hint="Install weave with pip or pipx rather than as an archive.",
            code=Code.IMAGE,
        )
    return sorted(path for path in _PACKAGE.rglob("*") if "__pycache__" not in path.parts and path.is_file())


def python_path(distributions: list[Distribution]) -> list[Path]:
    """The directories for PYTHONPATH: ours, then those of the distributions in their order of precedence."""
    roots = {Path(str(one.locate_file(""))) for one in distributions}
    ordered = [Path(entry) for entry in sys.path if Path(entry) in roots]
    return list(dict.fromkeys([_PACKAGE.parent, *ordered, *sorted(roots)]))


def find_host_programs() -> list[Path]:
    """The host's iptables in all its forms; raises HostProblem when there is none."""
    found = [Path(path) for name in _IPTABLES if (path := shutil.which(name, path=_PROGRAM_PATH))]
    if not found:
        raise HostProblem(
            "cannot make the image: iptables is not installed",
            hint="The router needs it for its firewall rules: apt-get install iptables",
            code=Code.IMAGE,
        )
    return found


def parse_requirements(lines: list[str]) -> list[str]:
    """Normalised names of what a distribution requires without extras."""
    names = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        match = re.match(r"\s*([A-Za-z0-9._-]+)", requirement)
        if match and not re.search(r"\bextra\s*==", marker):
            names.append(re.sub(r"[-_.]+", "-", match[1]).lower())
    return names


def _requirements_of_ourselves() -> list[str]:
    try:
        return parse_requirements(metadata.requires(_OURSELVES) or [])
    except metadata.PackageNotFoundError:
        raise HostProblem(
            f"cannot make the image: {_OURSELVES} is not installed as a package",
            hint="Install it with pip or pipx: pip install .",
            code=Code.IMAGE,
        ) from None


def _find_by_module(distribution: Distribution, root: Path) -> Iterator[Path]:
    """The files of the modules that a distribution without a list of files says it has, else of its name."""
    modules = (distribution.read_text("top_level.txt") or distribution.name.replace("-", "_")).split()
    for module in modules:
        yield from sorted((root / module).rglob("*"))
        yield from sorted(
            (*root.glob(f"{module}.py"), *root.glob(f"{module}.*.so"), *root.glob(f"{module}.so"))
        )


def _is_wanted_name(name: str) -> bool:
    return name not in _LEFT_OUT and not name.startswith(_LEFT_OUT_PREFIXES)


def _is_wanted_file(path: Path) -> bool:
    """Judges a path below a directory of packages; that directory itself may be called anything."""
    unwanted = {"__pycache__", "tests", "test"}
    return not unwanted.intersection(path.parts) and path.suffix not in _LEFT_OUT_SUFFIXES
