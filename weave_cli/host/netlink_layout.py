"""How messages to the kernel's rtnetlink are laid out, for those who write them without a library. Pure.

As in linux/netlink.h, rtnetlink.h and if_link.h, in the machine's order of octets:

    nlmsghdr      length u32, type u16, flags u16, sequence u32, port u32
    ifinfomsg     family u8, pad u8, type u16, index i32, flags u32, change u32
    attributes    length u16, type u16, value, padding to 4 octets; some hold attributes
    nlmsgerr      the errno negated i32, 0 for success; then the request
"""

from __future__ import annotations

import struct
from typing import Final

HEADER: Final = struct.Struct("=IHHII")
LINK: Final = struct.Struct("=BxHiII")
ATTRIBUTE: Final = struct.Struct("=HH")
ERROR_CODE: Final = struct.Struct("=i")

#: Type of a message that is a nlmsgerr.
ERROR: Final = 2

IFLA_ADDRESS: Final = 1
IFLA_IFNAME: Final = 3
