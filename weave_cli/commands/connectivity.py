"""connectivity: declaration."""

from __future__ import annotations

from dataclasses import asdict

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.session import beside_others
from weave_cli.commands.suggestions import one_of
from weave_cli.commands.usage import OptionalValue, command
from weave_cli.error_codes import ExitStatus


def _split_hosts(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...] | None:
    """None without the option; nothing of an option that stands alone, which means all."""
    if not texts:
        return None
    return () if "" in texts else tuple(word for text in texts for word in text.split(",") if word)


def _is_host(word: str) -> bool:
    return word != "test" and not word.startswith("-")


@command("connectivity")
@click.argument("word", metavar="test", type=click.Choice(["test"]))
@click.option(
    "--hosts",
    cls=OptionalValue,
    bare="",
    takes=_is_host,
    multiple=True,
    metavar="[HOST,...]",
    callback=_split_hosts,
    shell_complete=one_of("hosts"),
    help="Try other hosts of the mesh as well: those named, or all.",
)
@click.pass_context
def connectivity(context: click.Context, *, word: str, hosts: tuple[str, ...] | None) -> None:
    """Try whether packets get through between containers, and say where they get lost.

    Starts two containers on this host and removes them again. Tries address, UDP, TCP, packets of full size,
    multicast and names. On other hosts, the router answers as a container would; HOST is a nickname, a peer
    name or an address, as 'weave status connections' shows them. Exit status: 0 all gets through, 10 the slow
    way, 11 something does not, 1 it could not be tried.
    """
    with beside_others() as (docker, settings, progress):
        from weave_cli.connectivity.trial import run_trial
        from weave_cli.output.connectivity import show_trial

        results = run_trial(docker, settings, progress, wanted=hosts)
    output = get_output()
    output.answer("Connectivity", {"targets": [asdict(one) for one in results]})
    if not output.is_json:
        show_trial(results)
    if any(one.loss for one in results):
        context.exit(ExitStatus.BROKEN)
    context.exit(ExitStatus.WARNINGS if any(one.notice for one in results) else ExitStatus.SUCCESS)
