"""The TAP device `weave-tap`, a port of the weave bridge whose frames a program of ours reads and writes.

It lives as long as somebody has it open, so nothing of it outlives the router. Who is behind it is told to
the bridge entry by entry (tap_entries): the bridge learns nothing from it, as frames of all overlays'
peers come out of it. Frames for addresses that the bridge does not know are flooded to it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host.bridge import get_bridge
from weave_cli.host.netlink import Link, explained, find_link, open_netlink
from weave_cli.names import BRIDGE, TAP_DEVICE, TUN_CONTROL

if TYPE_CHECKING:
    from pyroute2 import IPRoute

# From the kernel's if_tun.h
_TUNSETIFF: Final = 0x400454CA
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000
_REQUEST: Final = struct.Struct("16sH22x")

#: Seconds that a child of a router which was killed takes to let go of the device.
_PATIENCE_S: Final = 3.0
_POLL_S: Final = 0.05


def open_tap(*, name: str = TAP_DEVICE, control: str = TUN_CONTROL) -> int:
    """Make the device; answers a non-blocking file descriptor that reads and writes one frame at a time.

    Each frame is preceded by a virtio header, so that segments in a row can be written as one frame; those
    read are whole, checksums included, unless the reader says that it can do better. Raises HostProblem when
    the kernel or the machine does not let us.
    """
    try:
        descriptor = os.open(control, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise HostProblem(
            f"cannot open {control}: {error.strerror}", hint=_hint(control, error), code=Code.KERNEL_FEATURE
        ) from error
    try:
        _claim(descriptor, _REQUEST.pack(name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))
    except OSError as error:
        os.close(descriptor)
        raise HostProblem(
            f"cannot make the TAP device {name}: {error.strerror}",
            hint=_claim_hint(name, error),
            code=Code.KERNEL_FEATURE,
        ) from error
    return descriptor


def ensure_tap_port(
    mtu: int, *, name: str = TAP_DEVICE, bridge: str = BRIDGE, leads_to_peers: bool = True
) -> Link | None:
    """The device with that MTU, up, an isolated port that learns nothing; None while nobody has it open.

    One that does not lead to peers is a port like that of a container.
    """
    with open_netlink() as netlink:
        device = find_link(netlink, name)
        if device is None:
            return None
        master = get_bridge(netlink, bridge)
        with explained(f"set up the TAP device {name}"):
            if device.mtu != mtu:
                netlink.link("set", index=device.index, mtu=mtu)
            if device.master != master.index:
                netlink.link("set", index=device.index, master=master.index)
            if leads_to_peers:
                _ensure_port(netlink, device)
            if not device.is_up:
                netlink.link("set", index=device.index, state="up")
        return find_link(netlink, name)


def _ensure_port(netlink: IPRoute, device: Link) -> None:
    # Isolated from the VXLAN device: a frame of one peer never leaves to another by the other overlay.
    netlink.brport("set", index=device.index, isolated=1, learning=0, unicast_flood=1)


def _claim(descriptor: int, request: bytes) -> None:
    """Ask for the device; one that a dying process still has open is waited for."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.ioctl(descriptor, _TUNSETIFF, request)
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return


def _hint(control: str, error: OSError) -> str | None:
    if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return f"Load the kernel's module tun (`modprobe tun`), so that {control} is there."
    if error.errno in (errno.EPERM, errno.EACCES):
        return f"The router's container needs the device {control}: `weave launch` gives it."
    return None


def _claim_hint(name: str, error: OSError) -> str | None:
    if error.errno == errno.EBUSY:
        return "Another program has it open: is a second router running?"
    if error.errno == errno.EINVAL:
        return f"Something else has that name: remove it with `ip link del {name}`."
    if error.errno == errno.EPERM:
        return "This needs the capability NET_ADMIN in the host's network: run it as root."
    return None


def is_tun_present(control: str = TUN_CONTROL) -> bool:
    """Whether TAP devices can be made on this machine at all."""
    return Path(control).exists()
