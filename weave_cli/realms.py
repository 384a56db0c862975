"""Realms: isolated networks beside the one that all containers share. Values and names only.

A realm is a bridge of its own on each host that has containers in it, and a VXLAN network of its own between
the hosts. Its VXLAN network identifier (VNI) follows from its key, which all hosts know: so they agree on it
without asking each other. Two keys may lead to one number, once in 16 million pairs; a host that has both
refuses the second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import UsageProblem

#: The VXLAN network that all containers share: "wev" in ASCII.
SHARED_VNI: Final = 0x776576

#: What the devices of a realm are called, the number in hexadecimal behind.
BRIDGE_PREFIX: Final = "weavebr-"
VXLAN_PREFIX: Final = "weavevx-"
TAP_PREFIX: Final = "weavetp-"

_KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_VNI = re.compile(r"[0-9a-f]{6}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Realm:
    """`key`: the id of the Docker network, or a word that was given to networks of several hosts."""

    vni: int
    key: str

    @property
    def bridge(self) -> str:
        return f"{BRIDGE_PREFIX}{self.vni:06x}"

    @property
    def vxlan(self) -> str:
        return f"{VXLAN_PREFIX}{self.vni:06x}"

    @property
    def tap(self) -> str:
        return f"{TAP_PREFIX}{self.vni:06x}"


def realm_of(key: str) -> Realm:
    """The realm of that key; raises UsageProblem for a key with blanks in it, a long or an empty one."""
    if not _KEY.fullmatch(key):
        raise UsageProblem(
            f"{key!r:.80} does not name a network", hint="Use up to 128 visible ASCII characters."
        )
    import hashlib  # three megabytes, which the sleeve process has no use for

    vni = int.from_bytes(hashlib.sha256(b"weave realm " + key.encode()).digest()[:3], "big")
    while vni in (0, SHARED_VNI):
        vni += 1
    return Realm(vni, key)


def parse_bridge_name(name: str) -> int | None:
    """The number of the realm whose bridge is called so; None: it is no realm's."""
    digits = name.removeprefix(BRIDGE_PREFIX)
    return int(digits, 16) if digits != name and _VNI.fullmatch(digits) else None
