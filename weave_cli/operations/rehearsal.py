"""What a command that destroys would do, as a list, found without changing anything: `--dry-run`.

Reads what the operations read, in their order, and refuses where they would refuse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from weave_cli.addresses import Cidr, Wish, format_address
from weave_cli.api.sync import RouterClient
from weave_cli.containers import lifecycle, lookup, networks
from weave_cli.containers.client import Docker
from weave_cli.containers.facts import OurContainer
from weave_cli.containers.lost_helpers import list_lost_helpers
from weave_cli.containers.managed_plugin import find_managed
from weave_cli.containers.networks import OurNetwork
from weave_cli.error_codes import NoticeCode
from weave_cli.errors import RouterProblem
from weave_cli.host.exposure import read_exposures
from weave_cli.host.guest import read_guest
from weave_cli.host.iptables import list_our_chains
from weave_cli.host.netns import is_in_our_namespace
from weave_cli.host.network import list_our_devices
from weave_cli.host.rules import wanted_chains
from weave_cli.names import (
    BRIDGE,
    EXPOSE_OWNER,
    GUEST_LINK,
    PLUGIN_CONTAINER,
    PROXY_CONTAINER,
    ROUTER_CONTAINER,
    TAP_DEVICE,
)
from weave_cli.operations import services, stop
from weave_cli.operations.asking import ask_router
from weave_cli.operations.attach import explained, look_up_wishes
from weave_cli.operations.bridge import firewall_facts
from weave_cli.operations.plugin_absence import list_specifications
from weave_cli.operations.plugin_sockets import list_sockets
from weave_cli.operations.reporter import Reporter
from weave_cli.operations.survey import describe_no_target, read_report
from weave_cli.operations.swarm_plugin import find_stoppable, say_that_plugin_stays
from weave_cli.report_states import list_owners, living_names
from weave_cli.reports import Report
from weave_cli.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that would be done: `remove` the `container` called `weave`."""

    act: str
    kind: str
    name: str
    of: str = ""
    """Where or whose it is, with the preposition; empty: needs no saying."""

    def __str__(self) -> str:
        return " ".join(word for word in (self.act, self.kind, self.name, self.of) if word)


def rehearse_stop(client: Docker, settings: Settings, reporter: Reporter) -> Iterator[Deed]:
    """Plugin, router, proxy."""
    if settings.wants_plugin:
        yield from rehearse_stop_plugin(client, reporter)
    yield from rehearse_stop_router(client, reporter, name=settings.router_container)
    if stop.find_ours(client, PROXY_CONTAINER) is not None:
        yield from rehearse_stop_proxy(client, reporter)


def rehearse_stop_proxy(client: Docker, reporter: Reporter) -> Iterator[Deed]:
    """Its container; what others wait with stays."""
    found = stop.find_ours(client, PROXY_CONTAINER)
    if found is None or not found.is_running:
        reporter.notice("Proxy is not running.", NoticeCode.NOT_RUNNING)
    if found is not None:
        yield _removal("container", found.name)


def rehearse_stop_plugin(client: Docker, reporter: Reporter) -> Iterator[Deed]:
    """The automatic network, unless somebody is on it; the plugin; its sockets."""
    found = stop.find_ours(client, PLUGIN_CONTAINER)
    managed, in_use = find_stoppable(client)
    if managed is None and (found is None or not found.is_running):
        reporter.notice("Plugin is not running.", NoticeCode.NOT_RUNNING)
    if in_use:
        reporter.notice(say_that_plugin_stays(in_use), NoticeCode.NETWORK_STAYS)
    elif managed is not None:
        yield Deed(act="disable", kind="plugin", name=managed.name)
    if found is not None:
        network = stop.find_automatic_network(client, found)
        if network is not None and network.describe_members():
            reporter.notice(stop.say_that_it_stays(network), NoticeCode.NETWORK_STAYS)
        elif network is not None:
            yield _removal("network", network.name)
        yield _end(found)
    yield from _sockets()


def rehearse_stop_router(
    client: Docker, reporter: Reporter, *, name: str = ROUTER_CONTAINER
) -> Iterator[Deed]:
    """The router, and the device that lives as long as it does."""
    found = stop.find_ours(client, name)
    if found is None or not found.is_running:
        reporter.notice("Weave is not running.", NoticeCode.NOT_RUNNING)
    if found is not None:
        yield _end(found)
        if found.is_running:
            yield from (_removal("device", device) for device in list_our_devices() if device == TAP_DEVICE)


def rehearse_reset(client: Docker, settings: Settings, reporter: Reporter, *, force: bool) -> Iterator[Deed]:
    """All of it, in the order of a reset."""
    router = stop.find_ours(client, settings.router_container)
    plugin = stop.find_ours(client, PLUGIN_CONTAINER) if settings.wants_plugin else None
    if not force:
        stop.check_nobody_attached(client, settings)
        yield from _leaving(client, router, settings, reporter)
    if settings.wants_plugin:
        if plugin is not None:
            yield _end(plugin)
        for network in networks.list_our_networks(client):
            yield from _dissolution(network)
        yield from _managed_dissolution(client)
        yield from _sockets()
    if router is not None:
        yield _end(router)
    proxy = stop.find_ours(client, PROXY_CONTAINER)
    if proxy is not None:
        yield _end(proxy)
    stop.name_attached_by_hand(client, reporter)
    yield from (_removal("container", one.name) for one in list_lost_helpers(client, time.time()))
    if lifecycle.has_volume(client, settings.state_volume):
        yield _removal("volume", settings.state_volume)
    yield from (_removal("file", str(path)) for path in (*services.list_files(), *list_specifications()))
    yield from (_removal("chain", name) for name in list_our_chains())
    yield from (_removal("device", name) for name in list_our_devices())


def rehearse_forget(settings: Settings, peers: Sequence[str], tell: Callable[[str], None]) -> Iterator[Deed]:
    """Those of the peers that are targets."""
    targets = read_report(settings)["Router"]["Targets"] or ()
    for peer in dict.fromkeys(peers):
        if peer in targets:
            yield Deed(act="forget", kind="target", name=peer)
        else:
            tell(describe_no_target(peer))


def rehearse_takeover(
    settings: Settings, peers: Sequence[str], tell: Callable[[str], None]
) -> Iterator[Deed]:
    """What each of the peers owns; raises RouterProblem for one that is in the mesh."""
    report = read_report(settings)
    for peer in dict.fromkeys(peers):
        size, name = _find_owned(report, peer)
        if size:
            yield Deed(act="take over", kind=f"{size} addresses", name=f"of {peer}", of=f"({name})")
        else:
            tell(f"{peer} owns nothing that could be taken over.")


def rehearse_detach(client: Docker, settings: Settings, name: str, wishes: Sequence[Wish]) -> Iterator[Deed]:
    """Addresses that the container has, its interface with the last one, its names for them."""
    found = lookup.get_running(client, name)
    api = RouterClient(settings.http_address)
    allocated, cidrs = look_up_wishes(api, found.id, wishes, settings)
    with explained(found.pid, name):
        there = None if is_in_our_namespace(found.pid) else read_guest(found.pid)
    taken = [cidr for cidr in cidrs if cidr in (there or ())]
    yield from (_removal("address", str(cidr), f"from container {name}") for cidr in taken)
    if there is not None and set(there) <= set(cidrs):
        yield _removal("interface", GUEST_LINK, f"of container {name}")
    yield from _withdrawal(api, settings, found.id, cidrs, allocated, found.fqdn)


def rehearse_hide(settings: Settings, wishes: Sequence[Wish]) -> Iterator[Deed]:
    """Addresses that the bridge has, the rules that are there for them, the host's names for them."""
    api = RouterClient(settings.http_address)
    allocated, cidrs = look_up_wishes(api, EXPOSE_OWNER, wishes, settings)
    before = read_exposures()
    after = tuple(one for one in before if one.cidr not in cidrs)
    yield from (_removal("address", str(one.cidr), f"from {BRIDGE}") for one in before if one not in after)
    kept = {chain.name: chain.rules for chain in wanted_chains(firewall_facts(settings, after))}
    for chain in wanted_chains(firewall_facts(settings, before)):
        for rule in chain.rules:
            if rule not in kept[chain.name]:
                yield _removal("rule", rule, f"from chain {chain.name}")
    yield from _withdrawal(api, settings, EXPOSE_OWNER, cidrs, allocated, None)


def _removal(kind: str, name: str, of: str = "") -> Deed:
    return Deed(act="remove", kind=kind, name=name, of=of)


def _end(found: OurContainer) -> Deed:
    if services.is_service(found):
        return Deed(act="stop", kind="service", name=found.name)
    return _removal("container", found.name)


def _sockets() -> Iterator[Deed]:
    return (_removal("socket", str(path)) for path in list_sockets())


def _dissolution(network: OurNetwork) -> Iterator[Deed]:
    yield from _cuts(network)
    for name in network.stopped:
        yield Deed(act="cut off", kind="stopped container", name=name, of=f"from network {network.name}")
    yield _removal("network", network.name)


def _cuts(network: OurNetwork) -> Iterator[Deed]:
    for attached in network.attached:
        yield Deed(act="cut off", kind="container", name=attached.name, of=f"from network {network.name}")


def _managed_dissolution(client: Docker) -> Iterator[Deed]:
    managed = find_managed(client)
    if managed is None or managed.version is None:
        return
    for network in networks.list_swarm_networks(client):
        yield from _cuts(network)
    yield _removal("plugin", managed.name)


def _leaving(
    client: Docker, router: OurContainer | None, settings: Settings, reporter: Reporter
) -> Iterator[Deed]:
    stop.check_leaving(client, router, settings, reporter)
    if router is None:
        return
    try:
        report = read_report(settings)
    except RouterProblem as problem:
        reporter.notice(
            f"WARNING: addresses would not be handed over to other hosts: {problem.message}",
            NoticeCode.NOT_HANDED_OVER,
        )
        return
    own = report["Router"]["Name"]
    owners = list_owners(report["IPAM"], own) if "IPAM" in report else []
    size = sum(owner.size for owner in owners if owner.name == own)
    others = [entry for entry in report["Router"]["Peers"] if entry["Name"] != own]
    if size and others:
        yield Deed(act="hand over", kind=f"{size} addresses", name="to another host")


def _find_owned(report: Report, peer: str) -> tuple[int, str]:
    """How much a peer owns, and its name; as the router finds it, a dead one before a living one."""
    own = report["Router"]["Name"]
    owners = list_owners(report["IPAM"], own) if "IPAM" in report else []
    meant = [owner for owner in owners if peer in (owner.nickname, owner.name) and owner.name != own]
    found = min(meant, key=lambda owner: owner.is_reachable, default=None)
    if found is None:
        return 0, ""
    if found.is_reachable:
        raise RouterProblem(
            f"{peer} is in the mesh, and its addresses may be in use",
            hint="Reset or stop it first, and wait until 'weave status peers' shows it no more.",
        )
    return found.size, found.name


def _withdrawal(
    api: RouterClient,
    settings: Settings,
    owner: str,
    cidrs: Sequence[Cidr],
    allocated: Iterable[Cidr],
    fqdn: str | None,
) -> Iterator[Deed]:
    """Names that the owner has for the addresses, only that one of a container; then the addresses."""
    if not cidrs or not api.is_ready():
        return
    report = ask_router(lambda _: read_report(settings), settings)
    addresses = {format_address(cidr.address): cidr for cidr in cidrs}
    is_container = owner != EXPOSE_OWNER
    for entry in living_names(report["DNS"]) if "DNS" in report else ():
        is_ours = entry["ContainerID"] == owner and entry["Origin"] == report["Router"]["Name"]
        is_meant = not is_container or entry["Hostname"].rstrip(".") == fqdn
        if is_ours and is_meant and entry["Address"] in addresses:
            yield _removal("name", entry["Hostname"], f"of {entry['Address']}")
    owned = set(allocated)
    for cidr in cidrs:
        if cidr in owned or cidr in api.find_owned(owner, Cidr(cidr.network.start, cidr.prefix_len)):
            yield Deed(act="release", kind="address", name=format_address(cidr.address))
