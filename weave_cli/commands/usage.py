"""Help as the original script gave it, on stderr with exit status 0, and the class of all commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import click

from weave_cli.commands.answers import get_output, output_option
from weave_cli.output.answer import DONE_KIND
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

    @property
    def passes_words_on(self) -> bool:
        """Are its words those of `docker run`? Then an option of ours may only stand before its name."""
        return bool(self.context_settings.get("ignore_unknown_options"))

    def invoke(self, ctx: click.Context) -> Any:
        status = super().invoke(ctx)
        output = get_output(ctx)
        if not output.has_answer:
            output.answer(DONE_KIND, {"command": self.name})
        return status


class LaunchCommand(WeaveCommand):
    """One that takes words of the first versions as well, and says what they are called now."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        tell = get_output(ctx).tell
        if args and _CIDR.fullmatch(args[0]):
            tell(f"WARNING: {args[0]} is ignored: the router takes no address.")
            args = args[1:]
        return super().parse_args(ctx, [_modernised(word, tell) for word in args])


def _modernised(word: str, tell: Callable[[str], None]) -> str:
    option, equals, value = word.partition("=")
    modern = _RETIRED.get(option)
    if modern is None:
        return word
    tell(f"WARNING: {option} is deprecated; use {modern} instead.")
    return f"{modern}{equals}{value}"


def command(
    name: str, *, kind: type[WeaveCommand] = WeaveCommand, **attributes: Any
) -> Callable[[Function], WeaveCommand]:
    """Declare a command: click's own decorator, with our options --output and --help."""

    def declare(function: Function) -> WeaveCommand:
        made = click.command(name, cls=kind, add_help_option=False, **attributes)(help_option(function))
        return made if made.passes_words_on else output_option(made)

    return declare
