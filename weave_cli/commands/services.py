"""install-service: declaration."""

from __future__ import annotations

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.rehearsing import answer_rehearsal
from weave_cli.commands.session import beside_others, changing_host
from weave_cli.commands.usage import command


@command("install-service")
@click.option("--uninstall", is_flag=True, help="Go back to containers, and remove the units.")
@click.option("--dry-run", is_flag=True, help="Do nothing; print the files that would be written.")
def install_service(*, uninstall: bool, dry_run: bool) -> None:
    """Let systemd run router and plugin, so that they are up before Docker.

    Writes units below /etc/systemd/system, enables and starts them, and removes the containers, whose
    options, addresses and name go along; what is attached keeps its network. Once more, it renews the units
    and restarts the services, as after an upgrade. 'launch', 'stop' and 'reset' then act on the services.
    """
    if dry_run:
        _rehearse(is_back=uninstall)
        return
    with changing_host() as (docker, settings, progress):
        from weave_cli.operations import install_service as act

        if uninstall:
            act.uninstall(docker, settings, progress)
        else:
            act.install(docker, settings, progress)


def _rehearse(*, is_back: bool) -> None:
    with beside_others() as (docker, settings, _):
        from weave_cli.operations.install_service import find_units, rehearse_uninstall
        from weave_cli.operations.rehearsal import Deed

        if is_back:
            answer_rehearsal(rehearse_uninstall(settings))
            return
        units = find_units(docker, settings)
    for path, text in units.items():
        get_output().show(f"# {path}\n{text}")
    answer_rehearsal(Deed(act="write", kind="file", name=path) for path in units)
