"""What Docker finds of our drivers while no plugin listens: an answer at once, instead of 15 s of looking.

Docker looks for `<driver>.sock` first, then for a specification of the driver, and for 15 s for either. One
that names a certificate which is not there fails at once, with that name in the message. A host whose
containers have endpoints from before a crash pays those 15 s for each of them, before Docker answers anybody
(decision 23).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from weave_cli.host_files import on_host
from weave_cli.names import ABSENCE_FILE, GLOBAL_DRIVER, MESH_DRIVER, PLUGIN_SOCKET_DIRECTORY
from weave_cli.operations.reporter import Reporter

SPECIFICATIONS: Final = Path("/etc/docker/plugins")


def declare_absence(reporter: Reporter, *, directory: Path | None = None) -> None:
    """Put the specifications in their place; twice is fine. A host that has its own keeps it.

    Where nobody may write there, as below a read-only /etc, a launch goes on without: worth a notice.
    """
    place = on_host(SPECIFICATIONS) if directory is None else directory
    try:
        place.mkdir(parents=True, exist_ok=True)
        for driver in (MESH_DRIVER, GLOBAL_DRIVER):
            path = place / f"{driver}.json"
            if not path.exists():
                new = path.with_suffix(".new")
                new.write_text(_specification(driver))
                new.replace(path)
    except OSError as problem:
        reporter.notice(
            f"WARNING: cannot write to {place}: {problem.strerror}. While no plugin runs, Docker will look"
            " for it for 15 s, again and again: do not leave it stopped."
        )


def withdraw_absence(*, directory: Path | None = None) -> None:
    """Remove those that we put there; no error when there are none."""
    for path in list_specifications(directory=directory):
        path.unlink(missing_ok=True)


def list_specifications(*, directory: Path | None = None) -> list[Path]:
    """Those of ours that are there."""
    place = on_host(SPECIFICATIONS) if directory is None else directory
    paths = [(driver, place / f"{driver}.json") for driver in (MESH_DRIVER, GLOBAL_DRIVER)]
    return [path for driver, path in paths if path.is_file() and path.read_text() == _specification(driver)]


def _specification(driver: str) -> str:
    found = {
        "Name": driver,
        "Addr": f"unix://{PLUGIN_SOCKET_DIRECTORY}/{driver}.sock",
        "TLSConfig": {"CAFile": ABSENCE_FILE},
    }
    return json.dumps(found) + "\n"
