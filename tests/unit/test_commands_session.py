"""What must hold before a command may change this host."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from weave_cli import interrupts
from weave_cli.commands import session
from weave_cli.containers import client
from weave_cli.errors import HostProblem
from weave_cli.operations import lock

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Put the handlers back that a command replaces."""
    before = {number: signal.getsignal(number) for number in interrupts.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The order in which things are looked at."""
    seen: list[str] = []

    @contextmanager
    def exclusively(_: object) -> Iterator[None]:
        seen.append("locked")
        try:
            yield
        finally:
            seen.append("unlocked")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(lock, "exclusively", exclusively)
    monkeypatch.setattr(client, "open_docker", lambda _: seen.append("docker"))
    return seen


def test_command_has_the_host_for_itself(steps: list[str]) -> None:
    with session.changing_host():
        steps.append("work")
    assert steps == ["locked", "docker", "work", "unlocked"]


def test_user_who_is_not_root_is_refused_before_anything_else(
    steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostProblem, match="root") as caught, session.changing_host():
        pass
    assert "sudo" in (caught.value.hint or "")
    assert steps == []


def test_other_systems_are_refused_by_name(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(HostProblem, match="Darwin"), session.changing_host():
        pass
    assert steps == []


def test_old_kernel_is_only_worth_a_notice(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "release", lambda: "3.10.0-1160.el7")
    with session.changing_host():
        pass
    assert "3.10.0-1160.el7" in capsys.readouterr().err
    assert "docker" in steps


@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_termination_ends_a_command_by_way_of_its_clean_up(steps: list[str], number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_DFL)  # the tests themselves may run under nohup
    with pytest.raises(interrupts.Interrupted) as caught, session.changing_host():
        signal.raise_signal(number)
    assert (caught.value.status, caught.value.outcome) == (128 + number, interrupts.NOTHING)
    assert steps[-1] == "unlocked"


def test_command_under_nohup_survives_the_end_of_its_terminal(steps: list[str]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with session.changing_host():
        signal.raise_signal(signal.SIGHUP)
        steps.append("work")
    assert steps[-2:] == ["work", "unlocked"]
