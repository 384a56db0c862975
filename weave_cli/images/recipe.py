"""What the image is called, and how to tell that an image is of this very installation. Knows no Docker.

The image is the running Python, the distributions that our metadata requires, and the host's iptables, each
file at its own place (architecture, section 8).
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import Final

from weave_cli import __version__
from weave_cli.images import installation
from weave_cli.images.libraries import system_directories

#: Label of an image: of what installation it was made.
CONTENT_LABEL: Final = "works.weave.content"
#: Raised when the image is made in another way, so that older ones are stale.
RECIPE_VERSION: Final = 3
#: In the image, holds what the label says: a command in a container of it is of the same installation.
CONTENT_FILE: Final = "/weave/content"


def content_id() -> str:
    """A digest that changes with everything the image is made from; takes some tens of milliseconds.

    Shared objects of the system are watched by their directories: an update of one of them changes the
    directory's time. So an update of another one leads to a new image too, which is cheap.
    Raises HostProblem when no image can be made here.
    """
    packed = read_own_content()
    if packed is not None:
        return packed
    interpreter = installation.find_interpreter()
    facts = [str(RECIPE_VERSION), __version__, platform.python_version(), _fingerprint(interpreter)]
    facts += [_describe(one) for one in installation.find_distributions()]
    facts += [_fingerprint(path) for path in installation.find_sources()]
    facts += [_fingerprint(path) for path in installation.find_host_programs()]
    facts += [f"{path} {path.stat().st_mtime_ns}" for path in system_directories()]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def read_own_content() -> str | None:
    """The digest of the image that we run in; None when we run on a host."""
    try:
        return Path(CONTENT_FILE).read_text().strip()
    except FileNotFoundError:
        return None


def _describe(distribution: installation.Distribution) -> str:
    """Name and version, and when and where it was installed."""
    facts = installation.read_facts(distribution)
    path = installation.find_record(distribution, facts) or Path(str(distribution.locate_file("")))
    return f"{facts.name} {facts.version} {_fingerprint(path)}"


def _fingerprint(path: Path) -> str:
    status = path.stat()
    return f"{path} {status.st_size} {status.st_mtime_ns}"
