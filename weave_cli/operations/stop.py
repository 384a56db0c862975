"""Stop, and reset: in the order that makes Docker wait for nobody, saying first who is still attached.

The network can be removed only while somebody serves its driver (specification cli, section 15), and
whatever stays behind on a driver without socket costs each Docker call 15 s (specification plugin,
section 8).
"""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from weave_cli.api.sync import RouterClient
from weave_cli.containers import lifecycle, lookup, networks
from weave_cli.containers.client import Docker
from weave_cli.containers.facts import OurContainer, RunningContainer
from weave_cli.containers.lost_helpers import remove_lost_helpers
from weave_cli.containers.networks import OurNetwork
from weave_cli.containers.specs import find_mesh_network_name
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import DockerProblem, RouterProblem
from weave_cli.host.guest import read_guest
from weave_cli.host.network import tear_down
from weave_cli.interrupts import FINISHED, unbroken
from weave_cli.names import MESH_NETWORK, PLUGIN_CONTAINER, PROXY_CONTAINER, ROUTER_CONTAINER, WAIT_VOLUME
from weave_cli.operations import services
from weave_cli.operations.patience import Patience
from weave_cli.operations.plugin_absence import withdraw_absence
from weave_cli.operations.plugin_sockets import remove_dead_sockets, stand_in
from weave_cli.operations.proxy_beacon import find_proxy
from weave_cli.operations.reporter import Reporter
from weave_cli.operations.swarm_plugin import dissolve_managed, stop_managed
from weave_cli.proxy_places import advertise
from weave_cli.settings import Settings

#: For the last gossip of a router that leaves to get out (specification cli, section 12).
_FAREWELL_S: Final = 0.5


def stop(client: Docker, settings: Settings, reporter: Reporter) -> str:
    """Plugin, router, proxy. Bridge, interfaces and addresses stay: local containers go on talking.

    Answers what stop_proxy does.
    """
    with unbroken(FINISHED):
        if settings.wants_plugin:
            stop_plugin(client, reporter)
        stop_router(client, reporter, name=settings.router_container)
        # Of a proxy that is not there, only who asks for it alone is told.
        if find_ours(client, PROXY_CONTAINER) is None:
            return ""
        return stop_proxy(client, settings, reporter)


def stop_plugin(client: Docker, reporter: Reporter) -> None:
    """Remove the automatic network if nobody is on it, while the plugin still serves; then the plugin.

    A plugin that died is stood in for: Docker would wait 45 s for it, and a network that stays slows it down.
    """
    found = find_ours(client, PLUGIN_CONTAINER)
    with unbroken(FINISHED):
        is_managed = stop_managed(client, reporter)
        if not is_managed and (found is None or not found.is_running):
            reporter.notice("Plugin is not running.", NoticeCode.NOT_RUNNING)
        if found is not None:
            _end_plugin(client, found, reporter)
        _remove_signs(client)


def end_plugin(client: Docker, found: OurContainer) -> None:
    """The same without a word, for a launch that is undone."""
    _end_plugin(client, found, _Silent())
    _remove_signs(client)


def _remove_signs(client: Docker) -> None:
    """Sockets; and with the last network, what Docker finds when it looks for the plugin in vain."""
    remove_dead_sockets()
    if not networks.list_our_networks(client):
        withdraw_absence()


def stop_router(client: Docker, reporter: Reporter, *, name: str = ROUTER_CONTAINER) -> None:
    """Stop and remove the router's container; what it has written down stays."""
    found = find_ours(client, name)
    if found is None or not found.is_running:
        reporter.notice("Weave is not running.", NoticeCode.NOT_RUNNING)
    if found is not None:
        with unbroken(FINISHED):
            _end(client, found, reporter)


def stop_proxy(client: Docker, settings: Settings, reporter: Reporter) -> str:
    """Stop and remove the proxy; the warning for who has an environment that points to it, or empty.

    The volume that containers wait with stays: they are started with it again.
    """
    found = find_ours(client, PROXY_CONTAINER)
    if found is None or not found.is_running:
        reporter.notice("Proxy is not running.", NoticeCode.NOT_RUNNING)
    if found is None:
        return ""
    warning = _warn_of_environment(settings)
    with unbroken(FINISHED):
        _end(client, found, reporter)
    return warning


def _warn_of_environment(settings: Settings) -> str:
    addresses = find_proxy() or ()
    if settings.client_host not in [advertise(address, settings.proxy_name) for address in addresses]:
        return ""
    return (
        "WARNING: DOCKER_HOST points to the proxy, which is being stopped: 'eval $(weave env --restore)'"
        " goes back to Docker itself."
    )


def reset(client: Docker, settings: Settings, reporter: Reporter, *, force: bool) -> str:
    """Leave the mesh and take everything of ours away; attached containers lose the network for good.

    Answers what stop_proxy does. force: also when containers are on our networks; and do not hand the
    addresses of this host over to other hosts first. Docker may restart meanwhile: what it was about to do is
    done when it answers again.
    """
    patience = Patience(client, reporter)
    router = patience.do(lambda: find_ours(client, settings.router_container))
    # All before anything is done: leaving cannot be undone.
    plugin = None
    if settings.wants_plugin:
        plugin = patience.do(lambda: find_ours(client, PLUGIN_CONTAINER))
    proxy = patience.do(lambda: find_ours(client, PROXY_CONTAINER))
    if not force:
        patience.do(lambda: check_nobody_attached(client, settings))
    with unbroken(FINISHED):
        if not force:
            _leave(client, router, settings, reporter)
        if settings.wants_plugin:
            if plugin is not None:
                patience.do(lambda: _end(client, plugin, reporter))
            for dissolve in (_dissolve_networks, dissolve_managed):
                try:
                    patience.do(partial(dissolve, client, reporter))
                except DockerProblem as problem:
                    reporter.notice(f"WARNING: {problem.message}", NoticeCode.NETWORK_STAYS)
        if router is not None:
            patience.do(lambda: _end(client, router, reporter))
        warning = "" if proxy is None else patience.do(lambda: stop_proxy(client, settings, reporter))
        patience.do(lambda: remove_lost_helpers(client, time.time()))
        patience.do(lambda: name_attached_by_hand(client, reporter))
        reporter.progress("removing volumes, interfaces and firewall rules")
        patience.do(lambda: lifecycle.remove_volume(client, settings.state_volume))
        patience.do(lambda: lifecycle.remove_unused_volume(client, WAIT_VOLUME))
        withdraw_absence()
        tear_down()
        services.uninstall()  # the last, as it may not succeed
    return warning


def check_nobody_attached(client: Docker, settings: Settings) -> None:
    """Raises DockerProblem that names, by network, the containers that a reset would cut off."""
    if not settings.wants_plugin:
        return
    found = (*networks.list_our_networks(client), *networks.list_swarm_networks(client))
    members = [(network.name, network.describe_members()) for network in found]
    lines = [f"  network {name}: {words}" for name, words in members if words]
    if lines:
        raise DockerProblem(
            "\n".join(["containers are attached, and would lose their network for good:", *lines]),
            hint="Remove them first, or cut them off: weave reset --force"
            " (it does not hand this host's addresses over to other hosts)",
            code=Code.CONTAINERS_ATTACHED,
        )


def name_attached_by_hand(client: Docker, reporter: Reporter) -> None:
    """Those that 'weave attach', run or the proxy put on the network: they lose it with the bridge."""
    names = sorted(found.name for found in lookup.list_running(client) if _is_attached_by_hand(found))
    if names:
        reporter.notice(f"Cut off until 'weave attach': {', '.join(names)}.", NoticeCode.CUT_OFF)


def _is_attached_by_hand(found: RunningContainer) -> bool:
    if not found.has_own_network:
        return False
    try:
        return bool(read_guest(found.pid))
    except ProcessLookupError:
        return False


def find_ours(client: Docker, name: str) -> OurContainer | None:
    """The container of that name, or the service that does its work.

    Raises when somebody else made the container, since we would destroy it.
    """
    service = services.find_service(name)
    if service is not None:
        return service
    found = lookup.find_our_container(client, name)
    if found is not None and not found.is_ours:
        raise lifecycle.NameTaken(
            f"container {name} was not made by this weave (image {found.image})",
            hint=f"Remove it with what made it, or with 'docker rm -f {name}'.",
        )
    return found


def _end(client: Docker, found: OurContainer, reporter: Reporter) -> None:
    reporter.progress(f"stopping {found.name}")
    if services.is_service(found):
        services.stop(found.id)
        return
    lifecycle.stop_container(client, found.id)
    lifecycle.remove_container(client, found.id)


def _end_plugin(client: Docker, found: OurContainer, reporter: Reporter) -> None:
    if found.is_running:
        _remove_automatic_network(client, found, reporter)
    _end(client, found, reporter)
    # A plugin that died has let it be; one that had just started may have made it only now.
    network = find_automatic_network(client, found)
    if network is not None and not (found.is_running and network.describe_members()):
        with stand_in():
            _remove_automatic_network(client, found, reporter)


class _Silent:
    """A Reporter to whom nothing is worth a word."""

    def progress(self, text: str) -> None: ...

    def notice(self, text: str, code: NoticeCode = NoticeCode.NOTE) -> None: ...


def find_automatic_network(client: Docker, plugin: OurContainer) -> OurNetwork | None:
    """The network that the plugin makes by itself, if it is told to, and has."""
    name = find_mesh_network_name(plugin.command, default=MESH_NETWORK)
    return networks.find_our_network(client, name) if name else None


def _remove_automatic_network(client: Docker, plugin: OurContainer, reporter: Reporter) -> None:
    network = find_automatic_network(client, plugin)
    if network is None:
        return
    if network.describe_members():
        reporter.notice(say_that_it_stays(network), NoticeCode.NETWORK_STAYS)
        return
    reporter.progress(f"removing network {network.name}")
    try:
        networks.remove_network(client, network)
    except DockerProblem as problem:
        reporter.notice(
            f"WARNING: {problem.message}\nDocker may be slow with it until weave is launched again.",
            NoticeCode.NETWORK_STAYS,
        )


def _dissolve_networks(client: Docker, reporter: Reporter) -> None:
    """Cut every container off our networks and remove these, with a stand-in for the plugin that is gone.

    It answers until Docker has said all that it has to say to a plugin: each call of ours returns after that.
    """
    found = networks.list_our_networks(client)
    if not found:
        remove_dead_sockets()
        return
    with stand_in():
        for network in found:
            if network.describe_members():
                reporter.notice(
                    f"Cut off from network {network.name}: {network.describe_members()}.", NoticeCode.CUT_OFF
                )
            reporter.progress(f"removing network {network.name}")
            for attached in network.attached:
                networks.disconnect(client, network, attached)
            networks.remove_network(client, network)


def _leave(client: Docker, router: OurContainer | None, settings: Settings, reporter: Reporter) -> None:
    check_leaving(client, router, settings, reporter)
    if router is None:
        return
    reporter.progress("handing addresses over")
    try:
        RouterClient(settings.http_address).leave()
    except RouterProblem as problem:
        reporter.notice(
            f"WARNING: addresses were not handed over to other hosts: {problem.message}",
            NoticeCode.NOT_HANDED_OVER,
        )
        return
    time.sleep(_FAREWELL_S)


def check_leaving(
    client: Docker, router: OurContainer | None, settings: Settings, reporter: Reporter
) -> None:
    """Raises RouterProblem when there is a router that could hand the addresses over, and does not run."""
    if router is None:
        if lifecycle.has_volume(client, settings.state_volume) or services.list_files():
            reporter.notice(
                "The router is not running, so this host's addresses were not handed over to other hosts.",
                NoticeCode.NOT_HANDED_OVER,
            )
    elif not router.is_running:
        raise RouterProblem(
            "cannot leave the cluster: the router is not running",
            hint="Launch it again and repeat, or go without handing over addresses: weave reset --force",
            code=Code.ROUTER_STOPPED,
        )


def say_that_it_stays(network: OurNetwork) -> str:
    """The warning that goes with a network that somebody is on, or goes to when he is started."""
    if not network.attached:
        stopped = ", ".join(network.stopped)
        return f"Network {network.name} stays: stopped containers would not start without it: {stopped}."
    return (
        f"WARNING: network {network.name} stays, because containers are attached:"
        f" {network.describe_members()}.\nDocker may be slow with them until weave is launched again."
    )
