"""The state of router and plugin on its way between Docker's volume and the directory of the services.

Both must be at rest. What the managed plugin of a swarm has in the volume stays there: it runs on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from weave_cli.containers.managed_spec import SWARM_JOURNAL
from weave_cli.operations.service_units import SERVICE_PASSWORD

#: Of the state of services, what is no state of containers.
_ONLY_HERE: Final = (Path(SERVICE_PASSWORD).name, "restart.sentinel")


def copy_state(source: Path, target: Path) -> None:
    """Databases with what belongs to them, onto the disk itself: whoever calls removes the source.

    The target is made for root only, if it is not there.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in _list_state(source):
        shutil.copy2(path, target / path.name)
        _sync(target / path.name)
    _sync(target)


def clear_state(directory: Path) -> None:
    """Remove what `copy_state` has taken along."""
    for path in _list_state(directory):
        path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _list_state(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        # The journal's name is also the beginning of those of its log and its index.
        if path.is_file() and path.name not in _ONLY_HERE and not path.name.startswith(SWARM_JOURNAL):
            yield path
