"""Facts of the engine itself, and networks made for it. Knows no plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from weave_cli import __version__
from weave_cli.containers.client import Docker, translated
from weave_cli.names import LABEL

_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What decides whether a network can be shared by several hosts, and through which plugin.

    A cluster store shares those of plugins in containers, a swarm those of managed plugins only.
    """

    version: str
    has_cluster_store: bool
    is_in_swarm: bool


def read_engine_facts(client: Docker) -> EngineFacts:
    with translated("ask Docker about itself"):
        info: dict[str, Any] = client.api.info()
    swarm = info.get("Swarm") or {}
    return EngineFacts(
        version=str(info.get("ServerVersion") or ""),
        has_cluster_store=bool(info.get("ClusterStore")),
        is_in_swarm=swarm.get("LocalNodeState") in ("active", "pending", "locked"),
    )


def create_network(
    client: Docker,
    name: str,
    *,
    driver: str,
    address_driver: str,
    subnet: str,
    options: Mapping[str, str],
    labels: Mapping[str, str] = MappingProxyType({}),
    is_internal: bool = False,
) -> bool:
    """Make a network; False when there is one of that name. Makes Docker call the plugin.

    Without an explicit subnet, newer engines may ask the plugin for pools for ever (specification plugin,
    section 8.3).
    """
    with translated(f"create network {name}"):
        try:
            client.api.create_network(
                name,
                driver=driver,
                ipam=IPAMConfig(driver=address_driver, pool_configs=[IPAMPool(subnet=subnet)]),
                options=dict(options),
                labels={LABEL: __version__, **labels},
                internal=is_internal,
                check_duplicate=True,
            )
        except APIError as problem:
            if problem.status_code == _CONFLICT:
                return False
            raise
    return True


def remove_network(client: Docker, network_id: str) -> None:
    """Remove it; one that is gone is no error. Makes Docker call the plugin."""
    with translated(f"remove network {network_id[:12]}"):
        try:
            client.api.remove_network(network_id)
        except NotFound:
            return
