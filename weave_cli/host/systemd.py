"""systemd as far as our services need it: their unit files, and systemctl. Knows no unit in particular."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host_files import on_host

UNITS: Final = Path("/etc/systemd/system")
#: Is there while systemd is the host's first process (sd_booted(3)).
_BOOTED: Final = Path("/run/systemd/system")
_PROGRAM: Final = "systemctl"


def check_systemd() -> None:
    """Raises HostProblem unless systemd runs this host."""
    import shutil

    if not _BOOTED.is_dir() or shutil.which(_PROGRAM) is None:
        raise HostProblem(
            "systemd does not run this host",
            hint="Stay with 'weave launch', whose containers Docker starts at a boot; or start the commands"
            " that 'weave install-service --dry-run' prints by the host's own means, before Docker.",
            code=Code.PROGRAM_MISSING,
        )


def read_unit(name: str, *, directory: Path = UNITS) -> str | None:
    """The text of a unit of the administrator's; None when there is none."""
    try:
        return on_host(directory / name).read_text()
    except FileNotFoundError:
        return None


def write_units(units: Mapping[str, str], *, directory: Path = UNITS) -> bool:
    """Make the files so, whole ones at any moment; True when something had to be changed."""
    changed = False
    for name, text in units.items():
        path = directory / name
        if read_unit(name, directory=directory) == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.replace(path)
        changed = True
    return changed


def remove_units(*names: str, directory: Path = UNITS) -> None:
    """And the directory of a drop-in that was the only one."""
    for name in names:
        path = directory / name
        path.unlink(missing_ok=True)
        if path.parent != directory and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def control(*words: str) -> str:
    """What `systemctl WORDS` prints; raises HostProblem with what it complains of."""
    from weave_cli.host.binaries import run_program  # commands that only look for a unit are quick

    done = run_program([_PROGRAM, *words])
    if done.status != 0:
        raise HostProblem(
            f"systemctl {' '.join(words)} failed: {done.stderr.strip() or done.status}",
            hint=f"See 'systemctl status {words[-1]}'." if words[-1].startswith("weave-") else None,
        )
    return done.stdout


def read_properties(unit: str, *properties: str) -> dict[str, str]:
    """What `systemctl show` tells of a unit."""
    said = control("show", f"--property={','.join(properties)}", unit)
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def read_journal(unit: str, *, count: int) -> list[str]:
    """The newest lines that a unit logged, oldest first. Raises HostProblem when nobody can tell."""
    from weave_cli.host.binaries import run_program  # commands that only look for a unit are quick

    done = run_program(["journalctl", f"--unit={unit}", f"--lines={count}", "--output=cat", "--no-pager"])
    return done.stdout.splitlines()
