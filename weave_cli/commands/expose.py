"""expose, hide: declarations."""

from __future__ import annotations

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.params import addresses_argument, split_alone
from weave_cli.commands.rehearsing import answer_rehearsal, dry_run_option
from weave_cli.commands.session import as_root
from weave_cli.commands.usage import command
from weave_cli.output.addresses import answer_addresses


@command("expose")
@click.option("-h", "fqdn", metavar="FQDN", help="Register this name for the addresses.")
@click.option("--without-masquerade", is_flag=True, help="Do not translate what passes between subnets.")
@addresses_argument
def expose(*, words: tuple[str, ...], fqdn: str | None, without_masquerade: bool) -> None:
    """Give this host addresses on the network, and print them.

    ADDRESS is as for 'weave attach'. The host then reaches the containers of those subnets, and they have it
    as a way out. It keeps the addresses over reboots, until 'weave hide'. Repeat it for more names.
    """
    wishes = split_alone(words)
    with as_root() as (settings, progress):
        from weave_cli.operations.expose import expose as act

        cidrs = act(settings, wishes, progress, fqdn=fqdn, masquerades=not without_masquerade)
    answer_addresses(get_output(), cidrs)


@command("hide")
@dry_run_option
@addresses_argument
def hide(*, words: tuple[str, ...], dry_run: bool) -> None:
    """Take addresses on the network from this host, and print them.

    ADDRESS is what was given to 'weave expose'.
    """
    wishes = split_alone(words)
    with as_root() as (settings, progress):
        if dry_run:
            from weave_cli.operations.rehearsal import rehearse_hide

            answer_rehearsal(rehearse_hide(settings, wishes))
            return
        from weave_cli.operations.expose import hide as act

        cidrs = act(settings, wishes, progress)
    answer_addresses(get_output(), cidrs)
