"""What stands before each frame in a VXLAN datagram of ours; alone, as the sleeve process needs no more."""

from __future__ import annotations

import struct
from typing import Final

from weave_cli.realms import SHARED_VNI

#: Flag "the VNI is valid", then the VNI (RFC 7348, section 5).
VXLAN_HEADER: Final = struct.pack(">II", 0x08 << 24, SHARED_VNI << 8)
