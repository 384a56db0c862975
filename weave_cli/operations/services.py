"""Router and plugin as services of systemd: are they, how are they, and their start and end.

A service is told of in the words for containers (`OurContainer`), with its unit's name for an id: whoever
looks for a router asks here first. Knows no option: the commands are in the units.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from weave_cli import __version__
from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host import systemd
from weave_cli.names import PLUGIN_CONTAINER, PROXY_CONTAINER
from weave_cli.operations.service_units import (
    DROP_IN,
    PLUGIN_UNIT,
    ROUTER_UNIT,
    SERVICE_STATE,
    SOCKET_UNIT,
    read_command,
    restarts,
)
from weave_cli.settings import host_root

if TYPE_CHECKING:
    from weave_cli.containers.facts import OurContainer

#: Written into the state by a router that was up: it takes the peers of the last time up again.
_SENTINEL: Final = Path(SERVICE_STATE, "restart.sentinel")

#: The router's is the last to go: where it is, the others are looked for.
_ALL_UNITS: Final = (DROP_IN, SOCKET_UNIT, PLUGIN_UNIT, ROUTER_UNIT)

#: systemd's words for a unit's state, as Docker has them for a container's.
_STATES: Final = {"active": "running", "reloading": "running", "activating": "restarting"}


def are_installed() -> bool:
    """Does this host have our units?"""
    return systemd.read_unit(ROUTER_UNIT) is not None


def is_service(found: OurContainer) -> bool:
    """Is it a service that is told of in the words for containers?"""
    return found.id.endswith(".service")


def find_service(name: str) -> OurContainer | None:
    """The service in the place of the container of that name; None when there is none, or it was stopped.

    Raises HostProblem when this is not the place to ask for it.
    """
    if name == PROXY_CONTAINER:
        return None  # it needs Docker to be up first, and so is a container in any case
    unit = PLUGIN_UNIT if name == PLUGIN_CONTAINER else ROUTER_UNIT
    text = systemd.read_unit(unit)
    if text is None:
        return None
    check_place()
    from weave_cli.containers.facts import OurContainer

    facts = systemd.read_properties(unit, "ActiveState", "UnitFileState", "NRestarts")
    state = _STATES.get(facts.get("ActiveState", ""), "exited")
    if state == "exited" and facts.get("UnitFileState") != "enabled":
        return None
    return OurContainer(
        id=unit,
        name=unit,
        status=state,
        image="",
        version=__version__,
        command=read_command(text),
        restart_count=int(facts.get("NRestarts") or 0),
    )


def start_router() -> None:
    """Now, and at boots to come if it restarts. Raises HostProblem. Whether it serves, others see."""
    _start(ROUTER_UNIT, ROUTER_UNIT)


def start_plugin() -> None:
    """The same, its sockets first."""
    _start(PLUGIN_UNIT, SOCKET_UNIT, PLUGIN_UNIT)


def stop(unit: str) -> None:
    """Stop it, now and at boots to come; the plugin with its sockets. No error when it is."""
    units = (SOCKET_UNIT, PLUGIN_UNIT) if unit == PLUGIN_UNIT else (unit,)
    systemd.control("disable", "--now", *units)
    with suppress(HostProblem):  # systemd does not know it any more, unless it was given up
        systemd.control("reset-failed", *units)


def forget_launch() -> None:
    """The next start of the router is a launch, with the peers that are named, and not a restart."""
    _SENTINEL.unlink(missing_ok=True)


def remember_launch() -> None:
    """The next start of the router is a restart."""
    _SENTINEL.touch()


def write(units: dict[str, str]) -> None:
    """Make the units so, and no others of ours; systemd knows them then."""
    changed = systemd.write_units(units)
    stale = [name for name in _ALL_UNITS if name not in units and systemd.read_unit(name) is not None]
    systemd.remove_units(*stale)
    if changed or stale:
        systemd.control("daemon-reload")


def uninstall() -> None:
    """Stop all, remove units and state; no error when there are none. Raises HostProblem for what stays."""
    import shutil

    if are_installed():
        check_place()
        for unit in (PLUGIN_UNIT, ROUTER_UNIT):
            if systemd.read_unit(unit) is not None:
                stop(unit)
        systemd.remove_units(*_ALL_UNITS)
        systemd.control("daemon-reload")
    try:
        shutil.rmtree(SERVICE_STATE)
    except FileNotFoundError:
        pass
    except OSError as problem:
        raise HostProblem(
            f"cannot remove {problem.filename or SERVICE_STATE}: {problem.strerror}",
            hint=f"Remove {SERVICE_STATE} by hand: the password of the network may be in it.",
        ) from problem


def list_files() -> list[str]:
    """The paths of our units, and of the state, that are there."""
    units = [name for name in _ALL_UNITS if systemd.read_unit(name) is not None]
    state = [SERVICE_STATE] if Path(SERVICE_STATE).is_dir() else []
    return [*(str(systemd.UNITS / name) for name in units), *state]


def read_last_log_lines(unit: str, *, count: int) -> list[str]:
    """The newest lines that it logged; empty when the journal tells none."""
    try:
        return systemd.read_journal(unit, count=count)
    except HostProblem:
        return []


def _start(unit: str, *units: str) -> None:
    """unit: whose text tells whether all of them start at boots, too."""
    systemd.control("enable" if restarts(systemd.read_unit(unit) or "") else "disable", *units)
    for one in units:
        systemd.control("start", *(["--no-block"] if one == unit else []), one)


def check_place() -> None:
    """Raises HostProblem where systemd cannot be asked: in a helper container."""
    if host_root() is not None:
        raise HostProblem(
            "router and plugin are services of that host, which no container can start or stop",
            hint="Run the command on the host itself, as root.",
            code=Code.HOST,
        )
