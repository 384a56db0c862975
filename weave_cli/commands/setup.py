"""setup, version, help: declarations."""

from __future__ import annotations

import click

from weave_cli import __version__
from weave_cli.commands.answers import get_output
from weave_cli.commands.place import Needs
from weave_cli.commands.session import with_docker
from weave_cli.commands.suggestions import command_names
from weave_cli.commands.usage import command
from weave_cli.errors import WeaveError
from weave_cli.output.answer import Output
from weave_cli.output.progress import Progress
from weave_cli.output.text import tell
from weave_cli.settings import read_settings


@command("setup", needs=Needs.NOTHING)
def setup() -> None:
    """Make the image that router and plugin run in.

    It is made out of this very installation; nothing is downloaded. 'weave launch' does the same when the
    image is missing or does not match.
    """
    with with_docker() as (docker, _, progress):
        from weave_cli.operations.setup import setup as act

        act(docker, progress)


@command("version", needs=Needs.NOTHING)
def version() -> None:
    """Print the versions of script, router, plugin and proxy."""
    output, settings = get_output(), read_settings()
    output.show(f"weave script {__version__}")
    from weave_cli.operations.survey import list_versions

    versions: dict[str, str | None] = {
        "script": __version__,
        "router": None,
        "plugin": None,
        "proxy": None,
        "swarmPlugin": None,
    }
    with Progress(output.tell) as progress:
        for component, number in list_versions(settings, progress):
            versions["swarmPlugin" if component == "swarm-plugin" else component] = number
            output.show(f"weave {component} {number}")
    output.answer("Versions", versions)


@command("help", needs=Needs.NOTHING)
@click.argument("name", metavar="[COMMAND]", required=False, shell_complete=command_names)
@click.pass_context
def show_help(context: click.Context, *, name: str | None) -> None:
    """Show this text, or the help of a command."""
    root = context.find_root()
    if name is None:
        _answer_help(root.get_help(), get_output(context))
        return
    if not isinstance(root.command, click.Group):
        raise WeaveError("help belongs into the tree of commands")
    found = root.command.get_command(root, name)
    if found is None:
        from weave_cli.commands.tree import describe_unknown

        raise describe_unknown(name)
    _answer_help(found.get_help(click.Context(found, info_name=name, parent=root)), get_output(context))


def _answer_help(text: str, output: Output) -> None:
    """For people on stderr, as the script did."""
    if output.is_json:
        output.answer("Help", {"text": text})
    else:
        tell(text)
