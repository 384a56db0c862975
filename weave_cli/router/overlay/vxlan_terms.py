"""On what terms two peers may use overlay `vxlan`: the port of the other end, and what rules it out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from weave_cli.router.overlay.roles import Neighbour
from weave_cli.router.overlay.vxlan import VXLAN

#: Feature that tells on which UDP port our VXLAN device listens (specification overlay, section 7).
PORT_FEATURE: Final = "VxlanPort"


def remote_port(features: Mapping[str, str], *, dialled_port: int | None, own_port: int) -> int:
    """The UDP port of a neighbour's VXLAN device.

    What the neighbour announced; else one above the TCP port that we dialled, which is None for a
    connection that we accepted; else our own (specification overlay, section 4.1).
    """
    announced = features.get(PORT_FEATURE, "")
    if announced.isascii() and announced.isdigit() and 0 < int(announced) < 65536:
        return int(announced)
    return dialled_port + 1 if dialled_port is not None else own_port


def find_obstacle(
    neighbour: Neighbour, offered: Sequence[str], *, own_port: int, is_sealed: bool
) -> str | None:
    """Why overlay `vxlan` can never work on this connection; None when it may."""
    if VXLAN not in offered:
        return "the peer does not offer it"
    if is_sealed:
        return "it does not encrypt"
    if ":" in neighbour.address:
        return f"it needs IPv4, and {neighbour.nickname} is at {neighbour.address}"
    if neighbour.udp_port != own_port:
        # To a learned address the kernel sends by the device's own port number.
        return (
            f"{neighbour.nickname} uses UDP port {neighbour.udp_port} for it, we use {own_port}: "
            "all hosts need the same --port"
        )
    return None
