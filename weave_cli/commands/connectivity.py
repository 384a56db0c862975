"""connectivity: declaration."""

from __future__ import annotations

from dataclasses import asdict

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.session import beside_others
from weave_cli.commands.usage import command
from weave_cli.error_codes import ExitStatus


@command("connectivity")
@click.argument("word", metavar="test", type=click.Choice(["test"]))
@click.option("--hosts", is_flag=True, help="Try every other host of the mesh as well.")
@click.pass_context
def connectivity(context: click.Context, *, word: str, hosts: bool) -> None:
    """Try whether packets get through between containers, and say where they get lost.

    Starts two containers on this host and removes them again. Tries address, UDP, TCP, packets of full size,
    multicast and names. On other hosts, the router answers as a container would. Exit status: 0 all gets
    through, 10 the slow way, 11 something does not, 1 it could not be tried.
    """
    with beside_others() as (docker, settings, progress):
        from weave_cli.connectivity.trial import run_trial
        from weave_cli.output.connectivity import show_trial

        results = run_trial(docker, settings, progress, wants_hosts=hosts)
    output = get_output()
    output.answer("Connectivity", {"targets": [asdict(one) for one in results]})
    if not output.is_json:
        show_trial(results)
    if any(one.loss for one in results):
        context.exit(ExitStatus.BROKEN)
    context.exit(ExitStatus.WARNINGS if any(one.notice for one in results) else ExitStatus.SUCCESS)
