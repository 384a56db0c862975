"""Sysctls of our devices. Our containers see /proc/sys read-only: there a mount is written instead."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from weave_cli.names import BRIDGE, SYSCTL_NET_MOUNT, TAP_DEVICE, VXLAN_DEVICE

log = logging.getLogger(__name__)

_PROC_SYS_NET: Final = Path("/proc/sys/net")

#: Notice quickly that an address moved to another container (specification cli, section 7.5).
NEIGHBOUR_KNOBS: Final = {
    "base_reachable_time": "5",
    "delay_first_probe_time": "2",
    "ucast_solicit": "1",
}


def sysctl_root() -> Path:
    """Where this host's /proc/sys/net can be written."""
    mounted = Path(SYSCTL_NET_MOUNT)
    return mounted if mounted.is_dir() else _PROC_SYS_NET


def ensure_knobs(*, bridge: str = BRIDGE, vxlan: str = VXLAN_DEVICE, root: Path | None = None) -> list[str]:
    """Set what differs on bridge and VXLAN device; returns the refused ones, which only slow things down."""
    wanted = {f"ipv4/neigh/{bridge}/{key}": value for key, value in NEIGHBOUR_KNOBS.items()}
    wanted[f"ipv6/conf/{bridge}/accept_ra"] = "0"
    # An address that is hidden does not take the others of its subnet along.
    wanted[f"ipv4/conf/{bridge}/promote_secondaries"] = "1"
    # These are only bridge ports: an address of their own would talk to all containers of all hosts.
    for port in (vxlan, TAP_DEVICE):
        wanted[f"ipv6/conf/{port}/disable_ipv6"] = "1"
    return set_knobs(wanted, root=root)


def set_knobs(wanted: Mapping[str, str], *, root: Path | None = None) -> list[str]:
    """Set what differs; returns the names of the refused ones. Names are paths below /proc/sys/net."""
    base = root if root is not None else sysctl_root()
    return [name for name, value in wanted.items() if not _ensure(base / name, value)]


def read_knob(name: str) -> str | None:
    """The value of one; None where there is none. To be called inside the namespace that is meant."""
    try:
        return (_PROC_SYS_NET / name).read_text().strip()
    except OSError:
        return None


def ensure_guest_knobs(interface: str) -> list[str]:
    """The same for a container's interface; to be called inside its namespace, of which a mount tells too."""
    wanted = {f"ipv4/neigh/{interface}/{key}": value for key, value in NEIGHBOUR_KNOBS.items()}
    # An address that goes does not take the others of its subnet along.
    wanted[f"ipv4/conf/{interface}/promote_secondaries"] = "1"
    return set_knobs(wanted)


def _ensure(path: Path, value: str) -> bool:
    """True when the value stands there, or the kernel has no such knob (IPv6 may be off)."""
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
    except FileNotFoundError:
        return True
    except OSError as error:
        log.debug("cannot set %s to %s: %s", path, value, error)
        return False
    return True
