"""What the data path is made from, and what that means for the host's network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from weave_cli.addresses import Cidr, parse_address
from weave_cli.host.network import NetworkWish
from weave_cli.host.rules import FirewallFacts
from weave_cli.names import DOCKER_BRIDGE, HTTP_ADDRESS, PeerName
from weave_cli.router.overlay.device_macs import bridge_mac, overlay_mac

#: Seconds for which frames go on to a neighbour whose router has gone: most only restart, and the kernels on
#: both sides go on without them.
LINGER_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlaneSettings:
    """`mtu`: the operator's WEAVE_MTU, None for the underlay's less 50. `mesh_port`: TCP and sleeve.

    `clear_sources`: networks of hosts whose frames may travel in clear; None: any host's.
    """

    name: PeerName
    mesh_port: int
    mtu: int | None = None
    docker_bridge: str = DOCKER_BRIDGE
    linger_s: float = LINGER_S
    control_address: str = HTTP_ADDRESS
    clear_sources: tuple[Cidr, ...] | None = None
    wants_vxlan: bool = True

    def may_be_clear(self, address: str) -> bool:
        """May frames to and from the host with this IPv4 address travel in clear?"""
        if self.clear_sources is None:
            return True
        number = parse_address(address)
        return any(number in source.network for source in self.clear_sources)

    @property
    def vxlan_port(self) -> int:
        """UDP port of the VXLAN device."""
        return self.mesh_port + 1


def make_wish(settings: DataPlaneSettings) -> NetworkWish:
    """Devices and firewall rules for these settings."""
    return NetworkWish(
        bridge_mac=bridge_mac(settings.name),
        vxlan_mac=overlay_mac(settings.name),
        udp_port=settings.vxlan_port,
        mtu=settings.mtu,
        firewall=FirewallFacts(
            mesh_port=settings.mesh_port,
            docker_bridge=settings.docker_bridge,
            control_address=settings.control_address,
            clear_sources=settings.clear_sources,
        ),
    )
