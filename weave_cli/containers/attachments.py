"""Who is on which network with which address and names, as values. Reads only, and few calls at that.

Knows no plugin: which drivers count is said by the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from docker.errors import NotFound

from weave_cli.containers.client import Docker, translated
from weave_cli.containers.networks import find_facts, list_rows

_RUNNING: Final = frozenset({"running", "paused", "restarting"})
_SERVICE_LABEL: Final = "com.docker.swarm.service.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A container's place on one network; `address` is empty while the container does not run."""

    network_id: str
    address: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedContainer:
    """What names are made of."""

    id: str
    name: str
    hostname: str
    domainname: str
    is_running: bool
    pid: int
    """Of its first process; 0 when it has none."""
    attachments: tuple[Attachment, ...]
    service: str = ""
    """Of a swarm, that it is a task of; empty: of none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverNetwork:
    """A network with its driver, its own options, and the driver that its addresses come from."""

    id: str
    name: str
    driver: str
    address_driver: str
    options: Mapping[str, str]
    labels: Mapping[str, str]
    subnet: str
    """The first one, as `A/P`; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownToDocker:
    """Every endpoint and every address that Docker believes to be in use."""

    endpoints: frozenset[str]
    addresses: frozenset[str]
    running: frozenset[str]
    """The ids of containers that run, or that Docker is about to start again."""


def list_driver_networks(client: Docker) -> Sequence[DriverNetwork]:
    """All networks of the host; reading them calls no plugin."""
    return tuple(
        DriverNetwork(
            id=row["Id"],
            name=row["Name"],
            driver=row["Driver"],
            address_driver=(row.get("IPAM") or {}).get("Driver") or "",
            options=row.get("Options") or {},
            labels=row.get("Labels") or {},
            subnet=next((one.get("Subnet") or "" for one in (row.get("IPAM") or {}).get("Config") or ()), ""),
        )
        for row in list_rows(client)
    )


def find_attached(client: Docker, container_id: str) -> AttachedContainer | None:
    """The container, or None when it is gone."""
    with translated(f"inspect container {container_id}"):
        try:
            facts: dict[str, Any] = client.api.inspect_container(container_id)
        except NotFound:
            return None
    config = facts["Config"]
    state = facts["State"]
    return AttachedContainer(
        id=facts["Id"],
        name=facts["Name"].removeprefix("/"),
        hostname=config.get("Hostname") or "",
        domainname=config.get("Domainname") or "",
        is_running=bool(state["Running"]) and not state.get("Restarting"),
        pid=int(state.get("Pid") or 0),
        attachments=_attachments(facts),
        service=(config.get("Labels") or {}).get(_SERVICE_LABEL) or "",
    )


def list_running_ids(client: Docker, network_ids: Collection[str]) -> tuple[frozenset[str], list[str]]:
    """The ids of all running containers, and of those among them that are on one of the networks."""
    with translated("list containers"):
        rows: list[dict[str, Any]] = client.api.containers()
    attached = [
        row["Id"]
        for row in rows
        if any(attachment.network_id in network_ids for attachment in _attachments(row))
    ]
    return frozenset(row["Id"] for row in rows), attached


def read_known_to_docker(client: Docker, networks: Sequence[DriverNetwork]) -> KnownToDocker:
    """What is in use on these networks: gateways, reserved addresses and left-over endpoints count too.

    Addresses of containers on other networks are in it too: any network may take its addresses from us.
    """
    endpoints: set[str] = set()
    addresses: set[str] = set()
    with translated("list containers"):
        rows: list[dict[str, Any]] = client.api.containers(all=True)
    running = frozenset(row["Id"] for row in rows if row.get("State") in _RUNNING)
    for row in rows:
        for entry in ((row.get("NetworkSettings") or {}).get("Networks") or {}).values():
            endpoints.add(entry.get("EndpointID") or "")
            addresses.add(entry.get("IPAddress") or "")
    for network in networks:
        facts = find_facts(client, network.id) or {}
        for entry in (facts.get("Containers") or {}).values():
            endpoints.add(entry.get("EndpointID") or "")
            addresses.add((entry.get("IPv4Address") or "").partition("/")[0])
        for config in (facts.get("IPAM") or {}).get("Config") or ():
            addresses.add((config.get("Gateway") or "").partition("/")[0])
            addresses.update((config.get("AuxiliaryAddresses") or {}).values())
    return KnownToDocker(
        endpoints=frozenset(endpoints - {""}), addresses=frozenset(addresses - {""}), running=running
    )


def _attachments(facts: Mapping[str, Any]) -> tuple[Attachment, ...]:
    networks: Mapping[str, Any] = (facts.get("NetworkSettings") or {}).get("Networks") or {}
    return tuple(
        Attachment(
            network_id=entry.get("NetworkID") or "",
            address=entry.get("IPAddress") or "",
            aliases=tuple(entry.get("Aliases") or ()),
        )
        for entry in networks.values()
    )
