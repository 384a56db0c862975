"""dns-args, dns-lookup: declarations."""

from __future__ import annotations

import click

from weave_cli.commands.usage import command
from weave_cli.output.progress import Progress
from weave_cli.output.text import show, show_raw
from weave_cli.settings import read_settings


@command("dns-args", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, metavar="[DOCKER-RUN-ARGUMENT]...", type=click.UNPROCESSED)
def dns_args(*, words: tuple[str, ...]) -> None:
    """Print the options that make 'docker run' use weaveDNS.

    Use it as in: docker run --net=weave -h web.weave.local $(weave dns-args) IMAGE. With the other
    arguments of that 'docker run', it also derives the host name from --name. Prints no final newline, and
    nothing at all when weaveDNS is switched off.
    """
    from weave_cli.operations.naming import make_dns_arguments

    with Progress() as progress:
        arguments = make_dns_arguments(words, read_settings(), progress)
    show_raw(arguments)


@command("dns-lookup")
@click.argument("name")
def dns_lookup(*, name: str) -> None:
    """Print the addresses that weaveDNS knows for a name.

    One address per line, nothing for an unknown name. A NAME without a dot is looked up in weaveDNS's
    domain.
    """
    from weave_cli.operations.naming import look_up

    for address in look_up(name, read_settings()):
        show(address)
