"""What crashes left, and who is on the network: devices of host and containers. Reads only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from weave_cli.containers import lookup
from weave_cli.containers.client import Docker, translated
from weave_cli.doctor.checks.leftovers import GuestFacts, LeftoverFacts
from weave_cli.doctor.facts.circumstances import Circumstances
from weave_cli.host.netlink import Link, list_links, open_netlink
from weave_cli.host.netns import read_interfaces
from weave_cli.names import BRIDGE, GUEST_LINK, HOST_LINK_PREFIX, TAP_DEVICE, TEST_LABEL, VXLAN_DEVICE

_GO_DEVICES: Final = ("datapath", "vethwe-")
_OUR_PORTS: Final = (VXLAN_DEVICE, TAP_DEVICE)


def read_leftovers(client: Docker, around: Circumstances) -> LeftoverFacts:
    with open_netlink() as netlink:
        links = list_links(netlink)
    with translated("list containers"):
        rows: list[dict[str, Any]] = client.api.containers(all=True, filters={"label": TEST_LABEL})
    bridge = next((link for link in links if link.name == BRIDGE), None)
    guests = [
        link
        for link in links
        if bridge is not None and link.master == bridge.index and link.name not in _OUR_PORTS
    ]
    return LeftoverFacts(
        pairs=tuple(link.name for link in links if _is_of_the_dead(link)),
        foreign=tuple(link.name for link in links if link.name.startswith(_GO_DEVICES)),
        test_containers=tuple(str(row["Names"][0]).removeprefix("/") for row in rows),
        bridge_without_router=bridge is not None and not around.is_launched and not guests,
    )


def read_guests(client: Docker) -> Iterator[GuestFacts]:
    """Running containers with an interface of ours."""
    for container in lookup.list_running(client):
        if not container.has_own_network:
            continue
        with suppress(ProcessLookupError):
            interfaces = read_interfaces(container.pid)
            attached = [cidr for one in interfaces if one.name == GUEST_LINK for cidr in one.addresses]
            plugged = [
                cidr
                for one in interfaces
                if one.name.startswith(GUEST_LINK) and one.name != GUEST_LINK
                for cidr in one.addresses
            ]
            if attached or plugged:
                yield GuestFacts(container=container.name, attached=tuple(attached), plugged=tuple(plugged))


def _is_of_the_dead(link: Link) -> bool:
    pid = link.name.removeprefix(HOST_LINK_PREFIX)
    return link.name.startswith(HOST_LINK_PREFIX) and pid.isdigit() and not os.path.exists(f"/proc/{pid}")
