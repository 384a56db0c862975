"""What belongs into the image, and how to tell that an image is of this very installation. Knows no Docker.

The image is the running Python, the distributions that our metadata requires, and the host's iptables
(architecture, section 8).
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from weave_cli import __version__
from weave_cli.errors import HostProblem
from weave_cli.names import IMAGE_REPOSITORY

#: Label of an image: of what installation it was made.
CONTENT_LABEL: Final = "works.weave.content"
#: Raised when the image is built in another way, so that older ones are stale.
RECIPE_VERSION: Final = 1

DISTRIBUTION: Final = "weave-cli"
PACKAGE_DIRECTORY: Final = Path(__file__).resolve().parent.parent

#: Where things lie in the image.
PYTHON_HOME: Final = Path("/opt/weave")
PACKAGES_HOME: Final = PYTHON_HOME / "packages"

#: Parts of the standard library that no daemon needs.
LEFT_OUT: Final = frozenset(
    {
        "__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages",
        "test", "tests", "tkinter", "turtledemo", "turtle.py", "venv",
    }
)  # fmt: skip

#: Beginnings of names of extension modules that no daemon needs: Tcl/Tk would bring all of X11 along.
LEFT_OUT_PREFIXES: Final = ("_tkinter.", "_test", "_ctypes_test", "xxlimited", "readline.", "_curses")

#: Programs of the host that the router runs.
HOST_PROGRAMS: Final = (
    "iptables", "iptables-nft", "iptables-nft-restore", "iptables-legacy", "iptables-legacy-restore",
    "iptables-restore",
)  # fmt: skip


def image_name() -> str:
    """Repository and tag of the image of this version."""
    return f"{IMAGE_REPOSITORY}:{__version__}"


def content_id() -> str:
    """A digest that changes with everything the image is made from; takes some tens of milliseconds."""
    digest = hashlib.sha256()
    facts = [
        str(RECIPE_VERSION),
        __version__,
        platform.python_version(),
        str(Path(sys.base_prefix).resolve()),
    ]
    facts += [f"{one.metadata['Name']} {one.version}" for one in find_distributions()]
    facts += [_fingerprint(path) for path in find_sources(PACKAGE_DIRECTORY)]
    facts += [_fingerprint(path) for path in find_host_programs()]
    for fact in facts:
        digest.update(fact.encode() + b"\0")
    return digest.hexdigest()


def find_distributions() -> list[metadata.Distribution]:
    """What our metadata requires, directly or not, as far as it is installed; ourselves not included.

    A requirement that is not installed was not meant for this Python or platform, else pip had installed it.
    """
    found: dict[str, metadata.Distribution] = {}
    waiting = _requirements(DISTRIBUTION)
    while waiting:
        name = waiting.pop()
        if name in found or name == DISTRIBUTION:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        waiting += _requirements(name)
    return [found[name] for name in sorted(found)]


def find_sources(directory: Path) -> list[Path]:
    """Our own files, sorted."""
    return sorted(path for path in directory.rglob("*") if "__pycache__" not in path.parts and path.is_file())


def find_host_programs() -> list[Path]:
    """The host's iptables in all its forms; raises HostProblem when there is none."""
    path = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"
    found = [Path(program) for name in HOST_PROGRAMS if (program := shutil.which(name, path=path))]
    if not found:
        raise HostProblem(
            "cannot make the image: iptables is not installed",
            hint="The router needs it for its firewall rules: apt-get install iptables",
        )
    return found


def _requirements(name: str) -> list[str]:
    """Names of what a distribution requires without extras."""
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        raise HostProblem(
            f"cannot make the image: {name} is not installed as a package",
            hint="Install it with pip or pipx: pip install .",
        ) from None
    names = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        match = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
        if match and "extra ==" not in marker.replace("'", '"').replace("extra==", "extra =="):
            names.append(re.sub(r"[-_.]+", "-", match.group()).lower())
    return names


def _fingerprint(path: Path) -> str:
    status = path.stat()
    return f"{path} {status.st_size} {status.st_mtime_ns}"
