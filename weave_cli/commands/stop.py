"""stop, stop-router, stop-plugin, reset: declarations."""

from __future__ import annotations

import click

from weave_cli.commands.session import changing_host
from weave_cli.commands.usage import command


@command("stop")
def stop() -> None:
    """Stop the plugin and the router; containers keep their network.

    Bridge, interfaces and addresses stay, so the containers of this host go on talking to each other. The
    Docker network 'weave' is removed unless containers are attached to it. What is not running is no error.
    """
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.stop import stop as act

        act(docker, settings, progress)


@command("stop-router")
def stop_router() -> None:
    """Stop the router only."""
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.stop import stop_router as act

        act(docker, progress, name=settings.router_container)


@command("stop-plugin")
def stop_plugin() -> None:
    """Stop the plugin only.

    The Docker network 'weave' is removed first, unless containers are attached to it.
    """
    with changing_host() as (docker, _, progress):
        from weave_cli.operations.stop import stop_plugin as act

        act(docker, progress)


@command("reset")
@click.option("--force", is_flag=True, help="Do not hand this host's addresses over to other hosts.")
def reset(*, force: bool) -> None:
    """Leave the mesh and remove everything that weave made.

    Hands this host's addresses over to other hosts, then removes router, plugin, their state, the networks
    of the plugin, bridge, interfaces and firewall rules. Containers that are still attached lose that
    network; they are named.
    """
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.stop import reset as act

        act(docker, settings, progress, force=force)
