"""Start the router, the proxy, then the plugin, and wait until they serve. What fails half-way is undone.

The order matters: the plugin needs the router's default subnet (specification cli, section 15).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from weave_cli.api.sync import RouterClient
from weave_cli.containers import lifecycle, lookup, networks
from weave_cli.containers.client import Docker
from weave_cli.containers.facts import OurContainer
from weave_cli.containers.proxy_spec import ProxyOptions
from weave_cli.containers.specs import PluginOptions, RouterOptions, find_mesh_network_name, make_plugin_spec
from weave_cli.error_codes import NoticeCode
from weave_cli.host.bridge import read_bridge
from weave_cli.host.network import tear_down
from weave_cli.host_files import real_host_path
from weave_cli.interrupts import undoing
from weave_cli.names import MESH_NETWORK, PLUGIN_CONTAINER, image_name
from weave_cli.operations import launch_services, services
from weave_cli.operations.feeding import feed_router
from weave_cli.operations.launch_checks import check_network, check_router
from weave_cli.operations.launched import Launched
from weave_cli.operations.passwords import choose_password
from weave_cli.operations.plugin_absence import declare_absence
from weave_cli.operations.plugin_sockets import is_plugin_listening, remove_dead_sockets
from weave_cli.operations.proxy import (
    check_places,
    find_running_proxy,
    proxy_undone_on_failure,
    serve_proxy,
)
from weave_cli.operations.reporter import Reporter
from weave_cli.operations.setup import setup
from weave_cli.operations.starting import check_not_running, start
from weave_cli.operations.stop import end_plugin
from weave_cli.operations.swarm_plugin import resume_managed
from weave_cli.operations.waiting import wait_until
from weave_cli.settings import Settings


def launch(
    client: Docker,
    settings: Settings,
    router: RouterOptions,
    plugin: PluginOptions,
    reporter: Reporter,
    *,
    proxy: ProxyOptions | None = None,
) -> Launched:
    """Router, plugin, and proxy if one is wanted. Plugin and proxy that run already are left alone."""
    if services.are_installed():
        launched = launch_services.launch(client, settings, router, plugin, reporter, proxy=proxy)
    else:
        launched = _launch_containers(client, settings, router, plugin, reporter, proxy)
    if settings.wants_plugin:
        resume_managed(client, reporter)
    return launched


def _launch_containers(
    client: Docker,
    settings: Settings,
    router: RouterOptions,
    plugin: PluginOptions,
    reporter: Reporter,
    proxy: ProxyOptions | None,
) -> Launched:
    password = choose_password(router, settings)
    check_not_running(client, settings.router_container, "router")
    plugin_id = _find_running_plugin(client, plugin, settings, reporter) if settings.wants_plugin else None
    if settings.wants_plugin and plugin_id is None:
        check_network(client, plugin, settings)
    running = None if proxy is None else find_running_proxy(client)
    places = [] if proxy is None or running is not None else check_places(proxy, settings)
    proxy_id = None if running is None else running.id
    with _router_undone_on_failure(client, settings), ExitStack() as undoings:
        router_id = _serve_router(client, settings, router, password, reporter)
        if proxy is not None and proxy_id is None:
            undoings.enter_context(proxy_undone_on_failure(client))
            proxy_id = serve_proxy(client, settings, proxy, places, reporter)
        if settings.wants_plugin and plugin_id is None:
            # Its name is free, and the image is there: the router has just been made of it.
            plugin_id = _serve_plugin(client, settings, plugin, reporter)
    return Launched(router=router_id, plugin=plugin_id, proxy=proxy_id)


def launch_router(client: Docker, settings: Settings, options: RouterOptions, reporter: Reporter) -> str:
    """The router alone, ready to serve; answers its container's id, or the name of its service."""
    if services.are_installed():
        return launch_services.launch_router(client, settings, options, reporter)
    return _serve_router(client, settings, options, choose_password(options, settings), reporter)


def _serve_router(
    client: Docker, settings: Settings, options: RouterOptions, password: bytes | None, reporter: Reporter
) -> str:
    check_not_running(client, settings.router_container, "router")
    spec = check_router(settings, options, password, reporter)
    setup(client, reporter)
    api = RouterClient(settings.http_address)
    with _router_undone_on_failure(client, settings):
        container_id = start(client, spec, reporter)
        wait_until(api.is_ready, client, container_id, settings.router_container, reporter)
        feed_router(client, api, reporter)
    return container_id


def launch_plugin(client: Docker, settings: Settings, options: PluginOptions, reporter: Reporter) -> str:
    """The plugin alone, its socket listening and its network made; answers its container's id.

    Without a router it cannot make the network yet, and does so once there is one. A router without address
    allocator has no network for it.
    """
    if services.are_installed():
        return launch_services.launch_plugin(client, settings, options, reporter)
    found = lookup.find_our_container(client, PLUGIN_CONTAINER)
    if found is not None and found.is_ours and found.is_running:
        return found.id
    check_not_running(client, PLUGIN_CONTAINER, "plugin")
    setup(client, reporter)
    return _serve_plugin(client, settings, options, reporter)


def _serve_plugin(client: Docker, settings: Settings, options: PluginOptions, reporter: Reporter) -> str:
    check_network(client, options, settings)
    remove_dead_sockets()
    declare_absence(reporter)
    docker_socket = real_host_path(settings.docker_socket)
    spec = make_plugin_spec(options, settings, image=image_name(), docker_socket=docker_socket)
    network = find_mesh_network_name(spec.command, default=MESH_NETWORK)
    api = RouterClient(settings.http_address)
    wants_network = bool(network) and api.is_ready() and api.has_allocator()

    def is_serving() -> bool:
        return is_plugin_listening() and (
            not wants_network or networks.find_our_network(client, network) is not None
        )

    with _plugin_undone_on_failure(client):
        container_id = start(client, spec, reporter)
        wait_until(is_serving, client, container_id, PLUGIN_CONTAINER, reporter)
    return container_id


def _find_running_plugin(
    client: Docker, options: PluginOptions, settings: Settings, reporter: Reporter
) -> str | None:
    """Its id, if it is up already. Fails before anything starts when its name is taken or it keeps dying."""
    found = lookup.find_our_container(client, PLUGIN_CONTAINER)
    if found is None or not (found.is_ours and found.is_running):
        check_not_running(client, PLUGIN_CONTAINER, "plugin")
        return None
    if found.command != make_plugin_spec(options, settings, image=image_name()).command:
        reporter.notice(
            f"{PLUGIN_CONTAINER} is already running, with other options; they stay.\n"
            "To change them: 'weave stop-plugin', then 'weave launch-plugin'.",
            NoticeCode.OTHER_OPTIONS,
        )
    return found.id


@contextmanager
def _router_undone_on_failure(client: Docker, settings: Settings) -> Iterator[None]:
    """Take all away that this launch of the router has made when anything goes wrong, an interrupt included.

    Its container is not there yet, or somebody else's, when the launch itself refuses. A network and a state
    that were there before stay.
    """
    before = lookup.find_our_container(client, settings.router_container)
    had_volume, had_bridge = lifecycle.has_volume(client, settings.state_volume), read_bridge() is not None
    try:
        yield
    except BaseException as problem:
        with undoing(problem):
            made = _find_made(client, settings.router_container, before)
            if made is not None:
                lifecycle.stop_container(client, made.id)
                lifecycle.remove_container(client, made.id)
                if not had_volume:
                    lifecycle.remove_volume(client, settings.state_volume)
                if not had_bridge:
                    tear_down()
        raise


@contextmanager
def _plugin_undone_on_failure(client: Docker) -> Iterator[None]:
    """The same of the plugin, with the network that it may have made already."""
    before = lookup.find_our_container(client, PLUGIN_CONTAINER)
    try:
        yield
    except BaseException as problem:
        with undoing(problem):
            made = _find_made(client, PLUGIN_CONTAINER, before)
            if made is not None:
                end_plugin(client, made)
        raise


def _find_made(client: Docker, name: str, before: OurContainer | None) -> OurContainer | None:
    after = lookup.find_our_container(client, name)
    return None if after is None or (before is not None and before.id == after.id) else after
