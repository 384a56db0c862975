"""One weave command at a time changes this host: the others wait. Readers need no lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.operations.reporter import Reporter

_PATH: Final = Path("/run/weave.lock")


@contextmanager
def exclusively(reporter: Reporter, *, path: Path = _PATH) -> Iterator[None]:
    """Hold the lock; says so when it has to wait. The kernel frees it when we end, however we end."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise HostProblem(
            f"cannot open the lock {path}: {problem.strerror}", hint="Run weave as root."
        ) from problem
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reporter.progress("waiting for another weave command to end")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
