"""network: declaration."""

from __future__ import annotations

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.session import beside_others
from weave_cli.commands.usage import command
from weave_cli.error_codes import NoticeCode
from weave_cli.settings import read_settings


@command("network")
@click.option(
    "--subnet", metavar="CIDR", help="Where its addresses come from; default: a free /24 of the range."
)
@click.option("--internal", is_flag=True, help="Its containers have no way out.")
@click.option("--opt", multiple=True, metavar="KEY=VALUE", help="An option of the driver, as of docker's -o.")
@click.argument("act", type=click.Choice(("create", "ls", "rm")))
@click.argument("names", nargs=-1, metavar="[NAME]...")
def network(
    *, act: str, names: tuple[str, ...], subnet: str | None, internal: bool, opt: tuple[str, ...]
) -> None:
    """Make, list or remove networks that are the same on all hosts.

    For engines without cluster store. The hosts that are connected make the network in their Docker, those
    that join later do too. Each such network is isolated from all others. It is removed when no container on
    any host is on it.
    """
    context = click.get_current_context()
    if act != "create" and (subnet or internal or opt):
        raise click.UsageError("--subnet, --internal and --opt are for 'create'", context)
    if act == "ls":
        _list(names)
        return
    if len(names) != 1:
        raise click.UsageError(f"{act} needs the name of one network", context)
    with beside_others() as (docker, settings, progress):
        from weave_cli.operations import networks

        if act == "rm":
            networks.remove_network(docker, settings, names[0], progress)
            return
        made = networks.create_network(
            docker, settings, names[0], subnet=subnet, options=opt, is_internal=internal, reporter=progress
        )
    get_output().answer("Networks", {"networks": [made.as_data()]}, text=f"{made.subnet}\n")


def _list(names: tuple[str, ...]) -> None:
    from weave_cli.operations.networks import list_networks

    rows = [one for one in list_networks(read_settings()) if not names or one.name in names]
    for name in set(names) - {one.name for one in rows}:
        get_output().tell(
            f"there is no network {name}; 'weave network ls' lists them.", NoticeCode.NOTHING_TO_DO
        )
    get_output().answer(
        "Networks",
        {"networks": [one.as_data() for one in rows]},
        text="".join(f"{one.name} {one.subnet} {' '.join(one.hosts)}".rstrip() + "\n" for one in rows),
    )
