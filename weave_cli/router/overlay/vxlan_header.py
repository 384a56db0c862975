"""What stands before each frame in a VXLAN datagram of ours; alone, as the sleeve process needs no more."""

from __future__ import annotations

import struct
from typing import Final

#: One virtual network for the whole mesh: "wev" in ASCII.
VNI: Final = 0x776576

#: Flag "the VNI is valid", then the VNI (RFC 7348, section 5).
VXLAN_HEADER: Final = struct.pack(">II", 0x08 << 24, VNI << 8)
