"""stop, stop-router, stop-plugin, reset: declarations."""

from __future__ import annotations

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.rehearsing import answer_rehearsal, dry_run_option
from weave_cli.commands.session import beside_others, changing_host
from weave_cli.commands.usage import command


@command("stop")
@dry_run_option
def stop(*, dry_run: bool) -> None:
    """Stop the plugin, the router and the proxy; containers keep their network.

    Bridge, interfaces and addresses stay, so the containers of this host go on talking to each other. The
    Docker network 'weave' is removed unless containers are attached to it, stopped ones too. What is not
    running is no error.
    """
    if dry_run:
        with beside_others() as (docker, settings, progress):
            from weave_cli.operations.rehearsal import rehearse_stop

            answer_rehearsal(rehearse_stop(docker, settings, progress))
        return
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.stop import stop as act

        warning = act(docker, settings, progress)
    _warn(warning)


def _warn(warning: str) -> None:
    """On stdout, as the original did."""
    if warning:
        get_output().show(warning)


@command("stop-router")
@dry_run_option
def stop_router(*, dry_run: bool) -> None:
    """Stop the router only."""
    if dry_run:
        with beside_others() as (docker, settings, progress):
            from weave_cli.operations.rehearsal import rehearse_stop_router

            answer_rehearsal(rehearse_stop_router(docker, progress, name=settings.router_container))
        return
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations.stop import stop_router as act

        act(docker, progress, name=settings.router_container)


@command("stop-plugin")
@dry_run_option
def stop_plugin(*, dry_run: bool) -> None:
    """Stop the plugin only.

    The Docker network 'weave' is removed first, unless containers are attached to it.
    """
    if dry_run:
        with beside_others() as (docker, _, progress):
            from weave_cli.operations.rehearsal import rehearse_stop_plugin

            answer_rehearsal(rehearse_stop_plugin(docker, progress))
        return
    with changing_host() as (docker, _, progress):
        from weave_cli.operations.stop import stop_plugin as act

        act(docker, progress)


@command("reset")
@click.option(
    "--force",
    is_flag=True,
    help="Cut containers off that are still attached; do not hand this host's addresses over to other hosts.",
)
@dry_run_option
def reset(*, force: bool, dry_run: bool) -> None:
    """Leave the mesh and remove everything that weave made.

    Hands this host's addresses over to other hosts, then removes router, plugin, proxy, their state, the
    networks of the plugin, bridge, interfaces and firewall rules. Refuses, and names them, while containers
    are on a network of the plugin, stopped ones too: they would lose it for good.
    """
    if dry_run:
        with beside_others() as (docker, settings, progress):
            from weave_cli.operations.rehearsal import rehearse_reset

            answer_rehearsal(rehearse_reset(docker, settings, progress, force=force))
        return
    with changing_host(waits_for_docker=True) as (docker, settings, progress):
        from weave_cli.operations.stop import reset as act

        warning = act(docker, settings, progress, force=force)
    _warn(warning)
