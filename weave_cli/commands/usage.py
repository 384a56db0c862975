"""Help as the original script gave it, on stderr with exit status 0, and the class of all commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import click

from weave_cli.output.text import tell

Function = Callable[..., Any]

#: Spellings of the original's first versions that it went on taking (specification cli, section 9.5).
_RETIRED: Final = {
    "-password": "--password",
    "-nickname": "--nickname",
    "-nodiscovery": "--no-discovery",
    "--nodiscovery": "--no-discovery",
    "-iprange": "--ipalloc-range",
    "--iprange": "--ipalloc-range",
    "-ipsubnet": "--ipalloc-default-subnet",
    "--ipsubnet": "--ipalloc-default-subnet",
    "-initpeercount": "--init-peer-count",
    "--initpeercount": "--init-peer-count",
}

_CIDR = re.compile(r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}", re.ASCII)


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

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Imported here: nobody but a reader of help needs them.
        from weave_cli.commands.examples import EXAMPLES

        examples = EXAMPLES.get(self.name or "", ())
        if examples:
            with formatter.section("Example" if len(examples) == 1 else "Examples"):
                for line, meaning in examples:
                    formatter.write_text(f"# {meaning}")
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class LaunchCommand(WeaveCommand):
    """One that takes words of the first versions as well, and says what they are called now."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and _CIDR.fullmatch(args[0]):
            tell(f"WARNING: {args[0]} is ignored: the router takes no address.")
            args = args[1:]
        return super().parse_args(ctx, [_modernised(word) for word in args])


def _modernised(word: str) -> str:
    option, equals, value = word.partition("=")
    modern = _RETIRED.get(option)
    if modern is None:
        return word
    tell(f"WARNING: {option} is deprecated; use {modern} instead.")
    return f"{modern}{equals}{value}"


def command(
    name: str, *, kind: type[WeaveCommand] = WeaveCommand, **attributes: Any
) -> Callable[[Function], WeaveCommand]:
    """Declare a command: click's own decorator, with our help option."""

    def declare(function: Function) -> WeaveCommand:
        return click.command(name, cls=kind, add_help_option=False, **attributes)(help_option(function))

    return declare
