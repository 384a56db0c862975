"""One weave command at a time changes this host, or the addresses of one owner: the others wait.

Readers need no lock. Whoever holds an owner's may take the host's, never the other way round.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from weave_cli.error_codes import NoticeCode
from weave_cli.errors import HostProblem
from weave_cli.host_files import on_host
from weave_cli.operations.lock_holder import find_holder
from weave_cli.operations.reporter import Reporter

_PATH: Final = Path("/run/weave.lock")

_RANGE: Final = struct.Struct("@hhqqi4x")  # struct flock: type, whence, start, length, process
_OWNER_OCTETS: Final = 6

#: A script that waits longer than this should know for whom.
_PATIENCE_S: Final = 2.0
_POLL_S: Final = 0.02


@contextmanager
def exclusively(reporter: Reporter, *, path: Path | None = None) -> Iterator[bool]:
    """Hold the host's lock; gives whether it had to wait, and says for whom.

    The kernel frees it when we end, however we end.
    """

    def take(descriptor: int, is_patient: bool) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if is_patient else fcntl.LOCK_NB))

    with _held(path, take, None, reporter) as has_waited:
        yield has_waited


@contextmanager
def alone_with(owner: str, reporter: Reporter, *, path: Path | None = None) -> Iterator[None]:
    """Hold the lock of one owner of addresses, such as a container, for as long as its command lasts.

    It is an octet of the same file, so that no container leaves a file behind.
    """
    octet = int.from_bytes(hashlib.sha256(owner.encode()).digest()[:_OWNER_OCTETS], "big")
    wish = _RANGE.pack(fcntl.F_WRLCK, os.SEEK_SET, octet, 1, 0)

    def take(descriptor: int, is_patient: bool) -> None:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW if is_patient else fcntl.F_OFD_SETLK, wish)

    with _held(path, take, octet, reporter):
        yield


@contextmanager
def _held(
    path: Path | None, take: Callable[[int, bool], None], octet: int | None, reporter: Reporter
) -> Iterator[bool]:
    """take: takes the lock; raises BlockingIOError when it is impatient and somebody else has it."""
    path = on_host(_PATH) if path is None else path
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise HostProblem(
            f"cannot open the lock {path}: {problem.strerror}", hint="Run weave as root."
        ) from problem
    try:
        yield _take_or_wait(path, descriptor, take, octet, reporter)
    finally:
        os.close(descriptor)


def _take_or_wait(
    path: Path, descriptor: int, take: Callable[[int, bool], None], octet: int | None, reporter: Reporter
) -> bool:
    """Whether it had to wait: at first in silence but for a terminal, then with a notice."""
    began = None
    while began is None or time.monotonic() - began < _PATIENCE_S:
        try:
            take(descriptor, False)
            return began is not None
        except BlockingIOError:
            if began is None:
                began = time.monotonic()
                reporter.progress(f"waiting for {_describe(path, octet)} to end")
            time.sleep(_POLL_S)
    reporter.notice(f"waiting for {_describe(path, octet)} to end", NoticeCode.WAITING)
    take(descriptor, True)
    return True


def _describe(path: Path, octet: int | None) -> str:
    return find_holder(path, octet) or "another weave command"
