"""Docker networks of our drivers: which there are, who is on them, and how to take them apart.

Knows no plugin process. All acts here make Docker call the plugin, so somebody must answer on its socket.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, NotFound

from weave_cli.containers.client import Docker, translated
from weave_cli.names import GLOBAL_DRIVER, MESH_DRIVER, SWARM_DRIVER


@dataclass(frozen=True, slots=True, kw_only=True)
class OurNetwork:
    """A network that one of our drivers serves."""

    id: str
    name: str
    driver: str
    attached: tuple[Attached, ...]
    """The containers that have an endpoint on it, on this host."""
    stopped: tuple[str, ...] = ()
    """Names of those that do not run, and would not start without it: Docker looks for its very id."""

    def describe_members(self) -> str:
        """All of them, as in `web, db (stopped)`; empty: nobody would miss it."""
        names = [attached.name for attached in self.attached]
        return ", ".join([*names, *(f"{name} (stopped)" for name in self.stopped)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A container on a network. The id is not a container's when the endpoint is a left-over."""

    id: str
    name: str


def list_rows(client: Docker) -> list[dict[str, Any]]:
    """What Docker lists of each network of the host; reading them calls no plugin."""
    with translated("list networks"):
        rows: list[dict[str, Any]] = client.api.networks()
    return rows


def find_facts(client: Docker, name_or_id: str) -> dict[str, Any] | None:
    """All that Docker tells of a network, its endpoints included; None when it is gone."""
    with translated(f"inspect network {name_or_id}"):
        try:
            facts: dict[str, Any] = client.api.inspect_network(name_or_id)
        except NotFound:
            return None
        except APIError as problem:
            if "ambiguous" not in str(problem.explanation):
                raise
            return _find_first(client, name_or_id)
    return facts


def _find_first(client: Docker, name: str) -> dict[str, Any] | None:
    """Of two networks of that name, which the plugin soon makes one again (plugin.default_network)."""
    rows: list[dict[str, Any]] = client.api.networks()
    found = next((row["Id"] for row in rows if row["Name"] == name), None)
    if found is None:
        return None
    facts: dict[str, Any] = client.api.inspect_network(found)
    return facts


def list_our_networks(client: Docker) -> Sequence[OurNetwork]:
    """All networks whose driver is ours; reading them does not call the plugin.

    Without those of the swarm: they are not this host's to remove.
    """
    return _list_networks(client, (MESH_DRIVER, GLOBAL_DRIVER))


def list_swarm_networks(client: Docker) -> Sequence[OurNetwork]:
    """Those of the managed plugin, with this host's containers: on a worker only those that have any."""
    return _list_networks(client, (SWARM_DRIVER,))


def _list_networks(client: Docker, drivers: Collection[str]) -> Sequence[OurNetwork]:
    rows = (row for row in list_rows(client) if row["Driver"] in drivers)
    found = (_find_network(client, row["Id"], drivers) for row in rows)
    return tuple(network for network in found if network is not None)


def find_our_network(client: Docker, name_or_id: str) -> OurNetwork | None:
    """The network, if it exists and its driver is ours."""
    return _find_network(client, name_or_id, (MESH_DRIVER, GLOBAL_DRIVER))


def _find_network(client: Docker, name_or_id: str, drivers: Collection[str]) -> OurNetwork | None:
    facts = find_facts(client, name_or_id)
    if facts is None or facts["Driver"] not in drivers:
        return None
    endpoints: dict[str, dict[str, Any]] = facts.get("Containers") or {}
    attached = tuple(Attached(id=key, name=endpoint["Name"]) for key, endpoint in sorted(endpoints.items()))
    return OurNetwork(
        id=facts["Id"],
        name=facts["Name"],
        driver=facts["Driver"],
        attached=attached,
        stopped=_list_stopped(client, facts["Id"]),
    )


def _list_stopped(client: Docker, network_id: str) -> tuple[str, ...]:
    with translated("list containers"):
        rows: list[dict[str, Any]] = client.api.containers(all=True)
    found = []
    for row in rows:
        entries: dict[str, dict[str, Any]] = (row.get("NetworkSettings") or {}).get("Networks") or {}
        is_member = any(entry.get("NetworkID") == network_id for entry in entries.values())
        if is_member and row.get("State") in ("created", "exited", "dead"):
            found.append(row["Names"][0].removeprefix("/"))
    return tuple(sorted(found))


def remove_network(client: Docker, network: OurNetwork) -> None:
    """Remove it; raises DockerProblem while it has endpoints."""
    with translated(f"remove network {network.name}"):
        try:
            client.api.remove_network(network.id)
        except NotFound:
            return


def disconnect(client: Docker, network: OurNetwork, attached: Attached) -> None:
    """Cut a container off; works for endpoints whose container is gone, too."""
    with translated(f"disconnect {attached.name} from network {network.name}"):
        try:
            client.api.disconnect_container_from_network(_endpoint_key(attached), network.id, force=True)
        except NotFound:
            return
        except APIError as problem:
            if "is not connected" not in str(problem.explanation):
                raise


def _endpoint_key(attached: Attached) -> str:
    # Docker lists an endpoint without a container as `ep-ENDPOINT`, and then takes its name for an id.
    return attached.name if attached.id.startswith("ep-") else attached.id
