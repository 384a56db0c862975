"""Puts the waiting program where Docker mounts it from. Knows no container."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from weave_cli.errors import HostProblem
from weave_cli.names import WAIT_DIRECTORY, WAIT_PROGRAM
from weave_cli.proxy.waiting.executable import make_waiting_program


def place_waiting_program(directory: Path = Path(WAIT_DIRECTORY)) -> None:
    """Write it anew; containers that just begin see the old file or the new one. Raises HostProblem."""
    program = make_waiting_program(os.uname().machine)
    unfinished = directory / f".{WAIT_PROGRAM}"
    try:
        unfinished.write_bytes(program)
        unfinished.chmod(0o755)
        directory.chmod(0o755)
        unfinished.replace(directory / WAIT_PROGRAM)
    except OSError as problem:
        with suppress(OSError):
            unfinished.unlink()
        raise HostProblem(
            f"cannot write the waiting program to {directory}: {problem.strerror}",
            hint="It is a volume of the proxy's container: launch the proxy again.",
        ) from problem
