"""Two containers of this host on the network, for as long as a trial lasts; nothing of them stays."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from weave_cli.addresses import FromSubnet, format_address
from weave_cli.containers import lookup, networks, workloads
from weave_cli.containers.client import Docker
from weave_cli.errors import HostProblem, WeaveError
from weave_cli.host.netns import read_guest_addresses
from weave_cli.operations.attach import AttachOptions, attach
from weave_cli.operations.plugin_sockets import is_plugin_listening
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings

_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A running container; `address`: on our network."""

    pid: int
    address: str
    fqdn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workloads:
    """by_plugin: they are on a Docker network of ours; else a command attached them. problem: why."""

    first: Workload
    second: Workload
    by_plugin: bool
    problem: str


@contextmanager
def two_workloads(
    client: Docker, settings: Settings, reporter: Reporter, *, image: str, domain: str, dns: str | None
) -> Iterator[Workloads]:
    """Gone afterwards, also when interrupted. Where the plugin is not well, they are attached instead."""
    run = uuid.uuid4().hex[:6]
    try:
        network, problem = _find_network(client)
        made: list[Workload] | None = None
        if network is not None:
            try:
                made = [
                    _start(client, settings, reporter, image, f"{run}-{end}", domain, dns, network)
                    for end in "ab"
                ]
            except WeaveError as caught:
                problem = caught.message
                workloads.remove_workloads(client)
        if made is None:
            made = [
                _start(client, settings, reporter, image, f"{run}-{end}", domain, dns, None) for end in "cd"
            ]
            network = None
        yield Workloads(first=made[0], second=made[1], by_plugin=network is not None, problem=problem)
    finally:
        with _interrupts_ignored():
            workloads.remove_workloads(client)


def _find_network(client: Docker) -> tuple[str | None, str]:
    """A network of the plugin, or why there is none that works."""
    if not is_plugin_listening():
        return None, "the plugin does not answer Docker"
    found = networks.list_our_networks(client)
    return (found[0].name, "") if found else (None, "Docker has no network of the plugin")


def _start(
    client: Docker,
    settings: Settings,
    reporter: Reporter,
    image: str,
    label: str,
    domain: str,
    dns: str | None,
    network: str | None,
) -> Workload:
    name = f"weave-test-{label}"
    fqdn = f"{name}.{domain}" if domain else ""
    reporter.progress(f"starting container {name}")
    container_id = workloads.start_workload(
        client,
        image=image,
        name=name,
        # Docker's own DNS server knows host names of its networks: with this one, nobody would ask weaveDNS,
        # which knows the container by its name there, but an attached one by its host name only.
        hostname=name if network else fqdn.rstrip(".") or name,
        run=label.partition("-")[0],
        network=network,
        dns=dns,
    )
    if network is None:
        attach(client, settings, container_id, (FromSubnet(None),), AttachOptions(), reporter)
    found = lookup.get_running(client, container_id)
    addresses = read_guest_addresses(found.pid)
    if not addresses:
        raise HostProblem(f"container {name} got no address on the network")
    return Workload(pid=found.pid, address=format_address(addresses[0].address), fqdn=fqdn)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    former = {number: signal.signal(number, signal.SIG_IGN) for number in _INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
