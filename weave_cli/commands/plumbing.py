"""Words for insiders, and those that are no more but explain themselves: declarations."""

from __future__ import annotations

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.place import Needs
from weave_cli.commands.session import as_root
from weave_cli.commands.usage import command
from weave_cli.error_codes import Code, ExitStatus, NoticeCode
from weave_cli.errors import UsageProblem
from weave_cli.settings import read_settings


@command("bridge-type", needs=Needs.ROUTER, hidden=True)
@click.pass_context
def bridge_type(context: click.Context) -> None:
    """Print of which kind the weave bridge is; exit status 1 when there is none."""
    from weave_cli.operations.plumbing import find_bridge_type

    found = find_bridge_type()
    text = "" if found is None else f"{found}\n"
    get_output(context).answer("BridgeType", {"type": found}, text=text)
    context.exit(ExitStatus.FAILURE if found is None else ExitStatus.SUCCESS)


@command("docker-bridge-ip", needs=Needs.ROUTER, hidden=True)
def docker_bridge_ip() -> None:
    """Print the address of Docker's bridge, without a newline."""
    from weave_cli.operations.naming import get_dns_address

    address = get_dns_address(read_settings())
    get_output().answer("BridgeAddress", {"address": address}, text=address)


@command("create-bridge", hidden=True)
def create_bridge() -> None:
    """Make the weave bridge; 'weave launch' and 'weave attach' do so by themselves."""
    with as_root() as (settings, progress):
        from weave_cli.operations.plumbing import create_bridge as act

        act(settings, progress)


@command("attach-bridge", hidden=True)
@click.argument("bridge", required=False)
def attach_bridge(*, bridge: str | None) -> None:
    """Tie another bridge to the weave bridge; default: Docker's."""
    with as_root() as (settings, progress):
        from weave_cli.operations.plumbing import attach_bridge as act

        act(settings, bridge, progress)


@command("attach-router", hidden=True)
def attach_router() -> None:
    """Tell the router again who is on the network; 'weave launch' does so by itself."""
    with as_root() as (settings, progress):
        from weave_cli.operations.plumbing import attach_router as act

        act(settings, progress)


@command("setup-cni", needs=Needs.NOTHING, hidden=True)
def setup_cni() -> None:
    """Explain that there is no CNI plugin."""
    raise UsageProblem(
        "There is no CNI plugin in this weave.",
        hint="Docker's network plugin needs no setup: 'weave launch' starts it.",
        code=Code.RETIRED,
    )


@command("launch-dns", needs=Needs.NOTHING, hidden=True)
def launch_dns() -> None:
    """Explain that the command is no more."""
    get_output().tell(
        "The 'launch-dns' command has been removed; DNS is launched as part of 'launch' and 'launch-router'.",
        NoticeCode.DEPRECATED,
    )


@command("stop-dns", needs=Needs.NOTHING, hidden=True)
def stop_dns() -> None:
    """Explain that the command is no more."""
    get_output().tell(
        "The 'stop-dns' command has been removed; DNS is stopped as part of 'stop' and 'stop-router'.",
        NoticeCode.DEPRECATED,
    )
