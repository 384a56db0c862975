"""attach, detach: declarations."""

from __future__ import annotations

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.params import (
    add_host_option,
    addresses_and_container,
    multicast_option,
    split_container,
)
from weave_cli.commands.rehearsing import answer_rehearsal, dry_run_option
from weave_cli.commands.session import beside_others
from weave_cli.commands.usage import command
from weave_cli.output.addresses import answer_addresses


@command("attach")
@click.option("--rewrite-hosts", is_flag=True, help="Write its addresses and name into its /etc/hosts.")
@add_host_option
@multicast_option
@click.option("--without-dns", is_flag=True, help="Do not register its name with weaveDNS.")
@click.option("--or-die", is_flag=True, hidden=True, help="Kill the container when that fails.")
@click.option("--or-kill", is_flag=True, hidden=True, help="Kill its process, so that Docker restarts it.")
@addresses_and_container
def attach(
    *,
    words: tuple[str, ...],
    rewrite_hosts: bool,
    add_host: tuple[str, ...],
    no_multicast_route: bool,
    without_dns: bool,
    or_die: bool,
    or_kill: bool,
) -> None:
    """Put a running container on the network, and print its addresses.

    ADDRESS is a CIDR such as 10.2.1.1/24; or net:10.2.1.0/24 for a free address of that subnet; or
    net:default, which is also meant when there is none. A container may have any number of them.
    """
    wishes, container = split_container(words)
    with beside_others() as (docker, settings, progress):
        from weave_cli.containers.hostsfile import parse_extra_host
        from weave_cli.operations.attach import AttachOptions, OnFailure
        from weave_cli.operations.attach import attach as act

        options = AttachOptions(
            rewrites_hosts=rewrite_hosts,
            extra_hosts=tuple(map(parse_extra_host, add_host)),
            wants_multicast_route=not no_multicast_route,
            wants_dns=not without_dns,
            on_failure=(OnFailure.KILL if or_die else OnFailure.KILL_PROCESS if or_kill else OnFailure.LEAVE),
        )
        cidrs = act(docker, settings, container, wishes, options, progress)
    answer_addresses(get_output(), cidrs)


@command("detach")
@dry_run_option
@addresses_and_container
def detach(*, words: tuple[str, ...], dry_run: bool) -> None:
    """Take addresses from a running container, and print them.

    ADDRESS is what was given to 'weave attach'. With the last address the container's interface goes.
    """
    wishes, container = split_container(words)
    with beside_others() as (docker, settings, progress):
        if dry_run:
            from weave_cli.operations.rehearsal import rehearse_detach

            answer_rehearsal(rehearse_detach(docker, settings, container, wishes))
            return
        from weave_cli.operations.attach import detach as act

        cidrs = act(docker, settings, container, wishes, progress)
    answer_addresses(get_output(), cidrs)
