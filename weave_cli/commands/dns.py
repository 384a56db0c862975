"""dns-args, dns-add, dns-remove, dns-lookup: declarations."""

from __future__ import annotations

import click

from weave_cli.addresses import Address, split_addresses
from weave_cli.commands.answers import get_output
from weave_cli.commands.place import Needs
from weave_cli.commands.suggestions import ips_then_container, one_of
from weave_cli.commands.usage import command
from weave_cli.error_codes import NoticeCode
from weave_cli.output.progress import Progress
from weave_cli.settings import read_settings


@command(
    "dns-args",
    needs=Needs.ROUTER,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, metavar="[DOCKER-RUN-ARGUMENT]...", type=click.UNPROCESSED)
def dns_args(*, words: tuple[str, ...]) -> None:
    """Print the options that make 'docker run' use weaveDNS.

    Use it as in: docker run --net=weave -h web.weave.local $(weave dns-args) IMAGE. With the other
    arguments of that 'docker run', it also derives the host name from --name. Prints no final newline, and
    nothing at all when weaveDNS is switched off.
    """
    from weave_cli.operations.naming import make_dns_arguments

    output = get_output()
    with Progress(output.tell) as progress:
        arguments = make_dns_arguments(words, read_settings(), progress)
    output.answer("DockerArguments", {"arguments": arguments.split()}, text=arguments)


_NAMED = click.argument(
    "words", nargs=-1, metavar="[ADDRESS]... [CONTAINER]", shell_complete=ips_then_container
)


@command("dns-add")
@click.option("-h", "fqdn", metavar="FQDN", help="The name; default: that of the container.")
@_NAMED
def dns_add(*, words: tuple[str, ...], fqdn: str | None) -> None:
    """Register names with weaveDNS, for a container or for addresses.

    Without ADDRESS, those that CONTAINER has on the network get the name. Without CONTAINER, the name lasts
    until it is removed or the router ends; otherwise no longer than the container.
    """
    addresses, container = _split_named(words, fqdn)
    from weave_cli.operations.registering import add_names

    with Progress(get_output().tell) as progress:
        add_names(read_settings(), addresses, container, fqdn, progress)


@command("dns-remove")
@click.option(
    "-h", "fqdn", metavar="FQDN", shell_complete=one_of("whole_names"), help="The name; default: all names."
)
@_NAMED
def dns_remove(*, words: tuple[str, ...], fqdn: str | None) -> None:
    """Take names of a container, or of addresses, out of weaveDNS.

    Spelt like the 'weave dns-add' that it undoes.
    """
    addresses, container = _split_named(words, fqdn)
    from weave_cli.operations.registering import remove_names

    with Progress(get_output().tell) as progress:
        remove_names(read_settings(), addresses, container, fqdn, progress)


def _split_named(words: tuple[str, ...], fqdn: str | None) -> tuple[tuple[Address, ...], str | None]:
    """Addresses, and a container unless there are addresses and a name for them."""
    addresses, rest = split_addresses(words)
    if len(rest) > 1:
        raise click.UsageError(f"one container, please: {' '.join(rest)}", click.get_current_context())
    if not rest and not (addresses and fqdn):
        raise click.UsageError("needs a container, or addresses and -h FQDN", click.get_current_context())
    return addresses, rest[0] if rest else None


@command("dns-lookup", needs=Needs.ROUTER)
@click.argument("name", shell_complete=one_of("names"))
def dns_lookup(*, name: str) -> None:
    """Print the addresses that weaveDNS knows for a name.

    One address per line, nothing for an unknown name. A NAME without a dot is looked up in weaveDNS's
    domain.
    """
    from weave_cli.operations.naming import look_up

    addresses = look_up(name, read_settings())
    if not addresses:
        get_output().tell(
            f"weaveDNS has no name {name}; 'weave status dns' lists them.", NoticeCode.NOTHING_TO_DO
        )
    text = "".join(f"{address}\n" for address in addresses)
    get_output().answer("Lookup", {"name": name, "addresses": list(addresses)}, text=text)
