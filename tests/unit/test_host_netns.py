"""Interfaces of a process's network namespace; here of our own, which always has a loopback."""

from __future__ import annotations

import errno
import os

import pytest

from weave_cli.addresses import parse_cidr
from weave_cli.errors import HostProblem
from weave_cli.host.netns import read_interfaces

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("pid", [None, os.getpid()], ids=["own", "of a process"])
def test_loopback_has_its_address(pid: int | None) -> None:
    found = {interface.name: interface for interface in read_interfaces(pid)}
    assert parse_cidr("127.0.0.1/8") in found["lo"].addresses
    assert found["lo"].mac == "00:00:00:00:00:00"


def test_process_that_has_ended_is_told_apart() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(ProcessLookupError, match=str(child)):
        read_interfaces(child)


def test_namespace_that_only_root_may_see_is_no_process_that_has_ended() -> None:
    def refuse(_: str) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied")

    with (
        pytest.raises(HostProblem, match="Permission denied") as caught,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(os, "stat", refuse)
        read_interfaces(1)
    assert "root" in (caught.value.hint or "")
