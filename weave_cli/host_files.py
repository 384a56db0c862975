"""Files of the host by the host's own paths, also in a helper container, which sees them elsewhere.

Knows no file in particular.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from weave_cli.settings import host_root

_MOST_LINKS: Final = 40  # as the kernel has it


def on_host(path: str | Path) -> Path:
    """Where a file of the host is found from here."""
    root = host_root()
    return Path(path) if root is None else Path(root, str(path).lstrip("/"))


def real_host_path(path: str) -> str:
    """The host's own path of what its links lead to; a link of the host must not lead into our files."""
    root = host_root()
    return os.path.realpath(path) if root is None else follow_links(path, root)


def follow_links(path: str, root: str) -> str:
    """`os.path.realpath` of those whose root directory is `root`."""
    waiting = [part for part in path.split("/") if part]
    found: list[str] = []
    links = 0
    while waiting:
        part = waiting.pop(0)
        if part in (".", ".."):
            found = found[:-1] if part == ".." else found
            continue
        try:
            target = os.readlink(os.path.join(root, *found, part))
        except OSError:
            found.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            return path
        found = [] if target.startswith("/") else found
        waiting = [*(one for one in target.split("/") if one), *waiting]
    return "/" + "/".join(found)
