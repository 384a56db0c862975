"""Docker, the image, and our containers in it. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weave_cli.containers import lookup, networks
from weave_cli.containers.client import Docker
from weave_cli.containers.facts import OurContainer
from weave_cli.containers.managed_spec import ManagedPlugin
from weave_cli.doctor.checks.containers import ALL_OUT_OF_REACH, AllocatorFacts, DaemonFacts, ManagedFacts
from weave_cli.doctor.checks.engine import DockerFacts
from weave_cli.doctor.checks.image import ImageFacts
from weave_cli.doctor.checks.plugin import PluginFacts, SocketFacts
from weave_cli.doctor.facts.circumstances import Circumstances
from weave_cli.images.builder import find_image
from weave_cli.names import GLOBAL_DRIVER, MESH_DRIVER, PLUGIN_CONTAINER, PROXY_CONTAINER, image_name
from weave_cli.operations.host_facts import find_interface_address
from weave_cli.operations.plugin_sockets import (
    DIRECTORY,
    find_socket_state,
    is_plugin_listening,
    is_swarm_plugin_listening,
)
from weave_cli.operations.proxy_beacon import find_proxy
from weave_cli.operations.services import is_service
from weave_cli.report_states import RingState, find_ring_state
from weave_cli.reports import Ipam


def read_docker(around: Circumstances) -> DockerFacts:
    bridge = around.settings.docker_bridge
    address = find_interface_address(bridge)
    wants_dns = around.report is None or "DNS" in around.report
    if around.client is None:
        problem = around.docker_problem
        return DockerFacts(
            problem="Docker does not answer" if problem is None else problem.message,
            hint="" if problem is None else problem.hint or "",
            bridge=bridge,
            bridge_address=address,
            wants_dns=wants_dns,
        )
    version: Mapping[str, Any] = around.client.version()
    return DockerFacts(
        version=str(version.get("Version", "?")),
        api_version=str(version.get("ApiVersion", "?")),
        bridge=bridge,
        bridge_address=address,
        wants_dns=wants_dns,
    )


def read_image(client: Docker, around: Circumstances) -> ImageFacts:
    state, name = find_image(client), image_name()
    current = lookup.find_image_id(client, name)
    outdated = [
        container.name
        for container in (around.router, around.plugin, around.proxy)
        if container is not None
        and container.is_ours
        and container.is_running
        and not is_service(container)
        and container.image_id != current
    ]
    return ImageFacts(name=name, state=state, outdated=tuple(outdated))


def read_daemons(around: Circumstances) -> Iterator[DaemonFacts]:
    is_ready = around.report is not None and around.report["Ready"]
    yield _read_daemon("router", around.settings.router_container, around.router, is_ready, True)
    wants_plugin = around.settings.wants_plugin
    yield _read_daemon("plugin", PLUGIN_CONTAINER, around.plugin, is_plugin_listening(), wants_plugin)
    # Who does not use it need not have it.
    yield _read_daemon("proxy", PROXY_CONTAINER, around.proxy, find_proxy() is not None, False)


def _read_daemon(
    component: str, name: str, found: OurContainer | None, serves: bool, is_wanted: bool
) -> DaemonFacts:
    return DaemonFacts(
        component=component,
        container=name if found is None else found.name,
        is_service=found is not None and is_service(found),
        status=None if found is None else found.status,
        is_ours=found is None or found.is_ours,
        restart_count=0 if found is None else found.restart_count,
        serves=serves,
        is_wanted=is_wanted,
    )


def read_managed(found: ManagedPlugin) -> ManagedFacts:
    return ManagedFacts(
        name=found.name,
        is_ours=found.version is not None,
        is_enabled=found.is_enabled,
        serves=found.is_enabled and is_swarm_plugin_listening(),
    )


def read_allocator(ipam: Ipam) -> AllocatorFacts:
    gone = (entry for entry in ipam["Entries"] or () if not entry["IsKnownPeer"])
    return AllocatorFacts(
        state=_read_ring_state(ipam),
        unreachable=tuple(dict.fromkeys(entry["Nickname"] or entry["Peer"] for entry in gone)),
    )


def _read_ring_state(ipam: Ipam) -> str:
    match find_ring_state(ipam):
        case RingState.IDLE:
            # A host that nobody has asked for an address yet has no reason to agree with anybody.
            return "not needed yet"
        case RingState.AWAITING_CONSENSUS if paxos := ipam["Paxos"]:
            return f"awaiting consensus (quorum {paxos['Quorum']}, known {paxos['KnownNodes']})"
        case RingState.WAITING:
            return "waiting for a free address"
        case RingState.UNREACHABLE:
            return ALL_OUT_OF_REACH
        case state:
            return str(state)


def read_plugin(client: Docker, around: Circumstances) -> PluginFacts:
    ours = {f"{driver}.sock" for driver in (MESH_DRIVER, GLOBAL_DRIVER)}
    paths = sorted(DIRECTORY.glob("*.sock")) if DIRECTORY.is_dir() else []
    states = ((path, find_socket_state(path)) for path in paths)
    found = networks.list_our_networks(client)
    return PluginFacts(
        sockets=tuple(
            SocketFacts(path=str(path), state=state, is_ours=path.name in ours)
            for path, state in states
            if state is not None
        ),
        runs=around.plugin is not None and around.plugin.is_ours and around.plugin.is_running,
        networks=tuple(network.name for network in found),
        stale=tuple(
            (network.name, attached.name)
            for network in found
            for attached in network.attached
            if attached.id.startswith("ep-")
        ),
    )
