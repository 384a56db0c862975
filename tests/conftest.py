"""Tiers: a test belongs to the tier of its directory, and a tier whose need is missing fails and says why."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.lab import needs
from tests.lab.engines import DEFAULT, VERSIONS

_HERE: Final = Path(__file__).parent
_TIERS: Final = ("unit", "surface", "sim", "kernel", "lab", "bench", "interop")


# How long an example takes says something about the machine and its other users, not about the program.
settings.register_profile("weave", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("weave")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The engine of the lab's hosts, and how much the simulations simulate."""
    parser.addoption(
        "--engine",
        choices=VERSIONS,
        default=DEFAULT,
        help="Docker's version on the lab's hosts (default 20.10)",
    )
    parser.addoption(
        "--sim-seeds",
        default="50",
        metavar="N|FIRST-LAST",
        help="how many seeds, or which, whole routers are simulated with (default 50; at night 1000)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests with an argument sim_seed run once for each seed."""
    if "sim_seed" in metafunc.fixturenames:
        first, dash, last = metafunc.config.getoption("--sim-seeds").partition("-")
        seeds = range(int(first), int(last) + 1) if dash else range(int(first))
        metafunc.parametrize("sim_seed", seeds)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier."""
    for item in items:
        tier = _tier(item)
        if tier:
            item.add_marker(tier)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why a test was run a second time (`--reruns`, given in CI only): there is a race to be found."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"FAILED AT FIRST: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
        for title, text in report.sections:
            terminalreporter.section(title, "-")
            terminalreporter.write_line(text)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail before any fixture when the machine lacks what the tier needs."""
    reason = _unmet(_tier(item))
    if reason:
        pytest.fail(reason, pytrace=False)


def _tier(item: pytest.Item) -> str | None:
    first = item.path.relative_to(_HERE).parts[0]
    return first if first in _TIERS else None


@cache
def _unmet(tier: str | None) -> str | None:
    if tier == "interop" and (reason := _no_weaver()):
        return reason
    if tier in ("kernel", "interop"):
        if os.geteuid() != 0:
            return f"the {tier} tier needs root (network namespaces): run it as root"
        absent = [program for program in ("ip", "iptables", "unshare") if shutil.which(program) is None]
        return f"the {tier} tier needs {', '.join(absent)}: run `make needs`" if absent else None
    return needs.unmet() if tier == "lab" else None


def _no_weaver() -> str | None:
    """Why there is no Go router to test against, if so."""
    program = os.environ.get("WEAVER")
    if not program:
        return "the interop tier needs a Weave Net router: run `make interop WEAVER=/path/to/weaver`"
    if not os.access(program, os.X_OK):
        return f"WEAVER={program} is no program that can be run"
    return None
