"""The network namespace of a process, by its pid: who is in it, and work to be done there. Knows no Docker.

The work is done by a thread that has entered the namespace and ends afterwards: no thread that anybody else
uses is ever anywhere but at home.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from weave_cli.addresses import Cidr
from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host.interface_dump import Interface, dump_interfaces
from weave_cli.names import GUEST_LINK

T = TypeVar("T")

_CLONE_NEWNET: Final = 0x40000000


def read_interfaces(pid: int | None = None) -> Sequence[Interface]:
    """All devices in the namespace of process `pid` (None: ours), by index.

    Raises ProcessLookupError when the process has ended, and HostProblem when we are not root.
    """
    return dump_interfaces() if pid is None else call_in_namespace(pid, dump_interfaces)


def read_guest_addresses(pid: int) -> list[Cidr]:
    """All addresses on our network of the container of process `pid`, whoever gave them.

    Raises what read_interfaces raises.
    """
    return [
        cidr
        for interface in read_interfaces(pid)
        if interface.name.startswith(GUEST_LINK)
        for cidr in interface.addresses
    ]


def is_in_our_namespace(pid: int) -> bool:
    """Does the process share our network? Raises ProcessLookupError when it has ended."""
    _check_reachable(_path_of(pid))
    return os.path.samestat(os.stat(_path_of(pid)), os.stat("/proc/thread-self/ns/net"))


def call_in_namespace(pid: int, function: Callable[[], T]) -> T:
    """What the function gives or raises inside the namespace of process `pid`; sockets it makes belong there.

    An interrupt waits until it is done: what it did must be known to whoever undoes it. Raises
    ProcessLookupError when the process has ended, and HostProblem when we may not enter.
    """
    _check_reachable(_path_of(pid))
    return _call_in_thread(lambda: _enter(_path_of(pid)), function, name=f"namespace of {pid}")


def call_in_new_namespace(function: Callable[[], T]) -> T:
    """The same inside a network namespace that is made for it, gone when nothing has it open."""
    return _call_in_thread(_leave_for_new, function, name="new namespace")


def _call_in_thread(move: Callable[[], None], function: Callable[[], T], *, name: str) -> T:
    answers: list[T] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            move()
            answers.append(function())
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    try:
        thread.join()
    except BaseException:
        thread.join()
        raise
    if problems:
        raise problems[0]
    return answers[0]


def _enter(namespace: str) -> None:
    try:
        opened = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as problem:
        raise ProcessLookupError(f"{namespace}: the process has ended") from problem
    try:
        if ctypes.CDLL(None, use_errno=True).setns(opened, _CLONE_NEWNET) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise HostProblem(
                f"cannot enter {namespace}: {reason}", hint="weave must be run as root.", code=Code.NOT_ROOT
            )
    finally:
        os.close(opened)


def _leave_for_new() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise HostProblem(
            f"cannot make a network namespace: {reason}",
            hint="weave must be run as root.",
            code=Code.NOT_ROOT,
        )


def _path_of(pid: int) -> str:
    return f"/proc/{pid}/ns/net"


def _check_reachable(namespace: str) -> None:
    try:
        os.stat(namespace)
    except FileNotFoundError as problem:
        raise ProcessLookupError(f"{namespace}: the process has ended") from problem
    except PermissionError as problem:
        raise HostProblem(
            f"cannot look into {namespace}: {problem.strerror}",
            hint="weave must be run as root.",
            code=Code.NOT_ROOT,
        ) from problem
