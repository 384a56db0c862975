"""The weave bridge and its firewall rules where no router looks after them."""

from __future__ import annotations

from weave_cli.host.network import prepare_bridge
from weave_cli.host.rules import Exposure, FirewallFacts
from weave_cli.settings import Settings


def ensure_bridge(settings: Settings) -> None:
    """Make the bridge when there has been no router yet; it completes it later."""
    prepare_bridge(settings.mtu_bytes, firewall_facts(settings))


def firewall_facts(settings: Settings, exposures: tuple[Exposure, ...] = ()) -> FirewallFacts:
    """What the rules depend on, as far as the environment says."""
    return FirewallFacts(
        mesh_port=settings.port,
        docker_bridge=settings.docker_bridge,
        control_address=settings.http_address,
        exposures=exposures,
    )
