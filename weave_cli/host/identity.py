"""A peer name that survives reboots, from what tells this machine from others (specification cli, 7.4)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.names import PeerName, unpack_peer_name

#: Where a host tells who it is; in a container these are mounted elsewhere, see `root`.
MACHINE_ID_PATHS: Final = ("etc/machine-id", "var/lib/dbus/machine-id")
SYSTEM_UUID_PATHS: Final = ("sys/class/dmi/id/product_uuid", "sys/hypervisor/uuid")

_SALT: Final = b"9oBJ0Jmip-"


def derive_peer_name(content: bytes) -> PeerName:
    """A name like a locally administered unicast MAC address, the same for the same content."""
    octets = bytearray(hashlib.sha256(_SALT + content).digest()[:6])
    octets[0] = octets[0] & 0xFE | 0x02
    return unpack_peer_name(bytes(octets))


def choose_peer_name(rng: random.Random, *, root: Path = Path("/")) -> PeerName:
    """The name of a host that has none yet: from its machine id and system UUID, random when it has neither.

    `root` is where the host's own files are seen from here. Raises HostProblem when the files are there
    but say nothing: a random name would not be the same after a reboot.
    """
    machine_id = _read_first(root, MACHINE_ID_PATHS)
    system_uuid = _read_first(root, SYSTEM_UUID_PATHS)
    if machine_id is None and system_uuid is None:
        return derive_peer_name(rng.randbytes(32))
    content = (machine_id or b"") + (system_uuid or b"")
    if not content.strip():
        raise HostProblem(
            f"{root / MACHINE_ID_PATHS[0]} is empty and there is no system UUID: cannot choose a peer name",
            hint="Create one with `systemd-machine-id-setup`, or give a name with --name.",
        )
    return derive_peer_name(content)


def _read_first(root: Path, names: Sequence[str]) -> bytes | None:
    """Content, final newline and all, of the first file that can be read."""
    for name in names:
        try:
            return (root / name).read_bytes()
        except OSError:
            continue
    return None
