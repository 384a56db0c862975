"""Services of systemd on a lab host: its stand-in is put there, asked for by the name of the real one."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

from tests.lab.hosts import LabHost

_REPOSITORY: Final = Path(__file__).resolve().parents[2]
#: Kept over power cycles.
_PROGRAMS: Final = "/etc/lab-systemd"
_LOG: Final = "/var/lib/lab-services.log"


def bring_systemd(host: LabHost) -> None:
    """From now on, and after each boot, until the host is replaced."""
    python = f"cd {_REPOSITORY} && exec {shlex.quote(sys.executable)} -m tests.lab.systemd"
    host.run(f"mkdir -p {_PROGRAMS}")
    host.run(f"cat >{_PROGRAMS}/systemctl", stdin=f'#!/bin/sh\n{python} "$@"\n')
    host.run(f"cat >{_PROGRAMS}/journalctl", stdin=f"#!/bin/sh\nexec tail -n 20 {_LOG}\n")
    host.run(f"chmod +x {_PROGRAMS}/*")
    host.at_boot = _boot
    _boot(host)


def weave(host: LabHost, words: str, *, timeout: float = 120) -> str:
    """A weave command that finds systemd; what it printed. Raises CommandFailed."""
    return host.run(f"PATH={_PROGRAMS}:$PATH weave {words}", timeout=timeout)


def log_of_services(host: LabHost) -> str:
    """What services logged."""
    return host.sh(f"cat {_LOG}").stdout


def _boot(host: LabHost) -> None:
    python = shlex.quote(sys.executable)
    said = "/run/lab-systemd"
    host.run(
        f"cd {_REPOSITORY} && {{ setsid {python} -m tests.lab.systemd boot >{said} 2>&1 & }};"
        f" for i in $(seq 600); do grep -q booted {said} && exit; sleep 0.1; done; cat {said} >&2; exit 1",
        timeout=90,
    )
