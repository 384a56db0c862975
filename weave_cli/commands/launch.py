"""launch, launch-router, launch-plugin: declarations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.params import (
    log_level_option,
    no_restart_option,
    peers_argument,
    plugin_options,
    proxy_among_others_options,
    router_options,
    wait_option,
)
from weave_cli.commands.session import changing_host
from weave_cli.commands.usage import LaunchCommand, command
from weave_cli.first_ring import choose_first_ring

if TYPE_CHECKING:
    from weave_cli.containers.specs import PluginOptions, RouterOptions
    from weave_cli.settings import Settings


@command("launch", kind=LaunchCommand)
@router_options
@plugin_options
@proxy_among_others_options
@log_level_option
@no_restart_option
@wait_option
@peers_argument
def launch(**words: Any) -> None:
    """Start the router, the network plugin and the Docker API proxy.

    PEER is the address or name of another host, with :PORT if that is not 6783; options may stand before
    and behind peers. Prints nothing when all is well. Plugin and proxy are left alone when they run already.
    Exit status 4 when --wait was in vain: then all run all the same, and go on trying.
    """
    router = _router_options(words)
    with changing_host() as (docker, settings, progress):
        from weave_cli.commands.proxy import make_proxy_options
        from weave_cli.operations.launch import launch as act

        settings = replace(settings, wants_plugin=settings.wants_plugin and words["plugin"])
        proxy = make_proxy_options(words) if settings.wants_proxy and words["proxy"] else None
        launched = act(docker, settings, router, _plugin_options(words), progress, proxy=proxy)
    _answer(launched.router, launched.plugin, launched.proxy)
    _wait(words, settings)


@command("launch-router", kind=LaunchCommand)
@router_options
@log_level_option
@no_restart_option
@wait_option
@peers_argument
def launch_router(**words: Any) -> None:
    """Start the router only, and print its container's id.

    PEER is the address or name of another host, with :PORT if that is not 6783.
    """
    router = _router_options(words)
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.launch import launch_router as act

        container_id = act(docker, settings, router, progress)
    _answer(container_id, None, text=f"{container_id}\n")
    _wait(words, settings)


@command("launch-plugin")
@click.option("--managed", is_flag=True, help="Make Docker's plugin for networks of a swarm instead.")
@plugin_options
@log_level_option
@no_restart_option
def launch_plugin(*, managed: bool, **words: Any) -> None:
    """Start the plugin only, and print its container's id.

    One that runs already is left alone, and its id is printed.

    With --managed: make, or renew, the managed plugin 'weave:swarm' out of this very installation, enable it,
    and print its id. Every host of a swarm needs it. A manager then makes networks of all hosts, for services
    and containers: 'docker network create --driver weave:swarm --attachable NAME'. It runs beside the other
    plugin, and Docker starts it.
    """
    if managed:
        _launch_managed(words)
        return
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.launch import launch_plugin as act

        container_id = act(docker, settings, _plugin_options(words), progress)
    _answer(None, container_id, text=f"{container_id}\n")


def _launch_managed(words: dict[str, Any]) -> None:
    for option, is_given in (
        ("--mesh-network-name", words["mesh_network_name"] is not None),
        ("--no-restart", words["no_restart"]),
    ):
        if is_given:
            raise click.UsageError(
                f"{option} is not for --managed: it makes no network, and Docker looks after it.",
                click.get_current_context(),
            )
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.swarm_plugin import launch_managed as act

        plugin_id = act(docker, settings, _plugin_options(words), progress)
    data = {"router": None, "plugin": None, "proxy": None, "swarmPlugin": {"plugin": plugin_id}}
    get_output().answer("Launched", data, text=f"{plugin_id}\n")


def _wait(words: dict[str, Any], settings: Settings) -> None:
    """If that is wanted; other commands need not wait for it."""
    if words["wait"] is None:
        return
    from weave_cli.api.sync import RouterClient
    from weave_cli.operations.joining import wait_until_joined
    from weave_cli.output.progress import Progress

    port = settings.port if words["port"] is None else words["port"]
    with Progress(get_output().tell) as progress:
        wait_until_joined(
            RouterClient(settings.http_address),
            words["peers"],
            port=port,
            limit_s=words["wait"],
            reporter=progress,
        )


def _answer(router: str | None, plugin: str | None, proxy: str | None = None, *, text: str = "") -> None:
    """The containers that run now, as far as they were asked for."""
    parts = {"router": router, "plugin": plugin, "proxy": proxy}
    data: dict[str, Any] = {
        part: None if found is None else {"container": found} for part, found in parts.items()
    }
    data["swarmPlugin"] = None
    get_output().answer("Launched", data, text=text)


def _router_options(words: dict[str, Any]) -> RouterOptions:
    from weave_cli.containers.specs import RouterOptions

    if words["resume"] and words["peers"]:
        raise click.UsageError(
            f"--resume is for the peers of the last time, but {' '.join(words['peers'])} is given too.",
            click.get_current_context(),
        )
    return RouterOptions(
        peers=words["peers"],
        nickname=words["nickname"],
        name=words["name"],
        ipalloc_range=words["ipalloc_range"],
        ipalloc_default_subnet=words["ipalloc_default_subnet"],
        ipalloc_init=_first_ring(words["ipalloc_init"], words["init_peer_count"]),
        connection_limit=words["conn_limit"],
        password=words["password"],
        password_file=words["password_file"],
        trusted_subnets=words["trusted_subnets"],
        lowest_protocol_version=words["min_protocol_version"],
        wants_discovery=not words["no_discovery"],
        resumes=words["resume"],
        restarts=not words["no_restart"],
        wants_dns=not words["no_dns"],
        dns_domain=words["dns_domain"],
        port=words["port"],
        log_level=words["log_level"],
    )


def _first_ring(init: str | None, init_peer_count: int | None) -> str | None:
    """Both spellings as the newer one; None when neither was given."""
    if init is None and init_peer_count is None:
        return None
    return str(choose_first_ring(init, init_peer_count))


def _plugin_options(words: dict[str, Any]) -> PluginOptions:
    from weave_cli.containers.specs import PluginOptions

    return PluginOptions(
        log_level=words["log_level"],
        mesh_network_name=words["mesh_network_name"],
        wants_multicast_route=not words["no_multicast_route"],
        restarts=not words["no_restart"],
    )
