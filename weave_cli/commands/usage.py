"""Help as the original script gave it, on stderr with exit status 0, and the class of all commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from weave_cli.output.text import tell

Function = Callable[..., Any]


def _show_help(context: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    if is_asked and not context.resilient_parsing:
        tell(context.get_help())
        context.exit(0)


help_option = click.option(
    "--help",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_help,
    help="Show this text.",
)


class WeaveCommand(click.Command):
    """A command of the tree; made with `command`."""


def command(name: str, **attributes: Any) -> Callable[[Function], WeaveCommand]:
    """Declare a command: click's own decorator, with our help option."""

    def declare(function: Function) -> WeaveCommand:
        return click.command(name, cls=WeaveCommand, add_help_option=False, **attributes)(
            help_option(function)
        )

    return declare
