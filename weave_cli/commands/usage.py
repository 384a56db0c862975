"""Help as the original script gave it, on stderr with exit status 0, and the class of all commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from weave_cli.commands.answers import get_output, output_option
from weave_cli.commands.place import Needs, is_elsewhere
from weave_cli.error_codes import NoticeCode
from weave_cli.output.answer import DONE_KIND
from weave_cli.output.text import tell
from weave_cli.settings import read_settings

#: Keys of click's notes on one run: the words behind `weave`, and whether it shall run here in any case.
WORDS: Final = "weave.words"
LOCAL: Final = "weave.local"

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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


def help_option(function: Function, *, is_short: bool = True) -> Function:
    """`--help`; and `-h`, where that means nothing else and is not passed on."""
    taken = {name for one in getattr(function, "__click_params__", ()) for name in one.opts}
    return click.option(
        *(("-h", "--help") if is_short and "-h" not in taken else ("--help",)),
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_help,
        help="Show this text.",
    )(function)


class OptionalValue(click.Option):
    """An option that may stand alone: `--wait`, `--wait=1m` and `--wait 1m`.

    click itself would take any word behind it for its value, be it a peer.
    """

    def __init__(self, *arguments: Any, bare: str, takes: Callable[[str], bool], **attributes: Any) -> None:
        """bare: the value of one that stands alone; takes: may this word be a value?"""
        super().__init__(*arguments, **attributes)
        self.bare = bare
        self.takes = takes
        self.completes_itself = "shell_complete" in attributes

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if self.completes_itself:
            return super().shell_complete(ctx, incomplete)
        # Behind it comes what would come without it.
        arguments = [one for one in ctx.command.params if isinstance(one, click.Argument)]
        return arguments[0].shell_complete(ctx, incomplete) if arguments else []


def fill_in(command: click.Command, words: list[str]) -> list[str]:
    """The words with a value behind each OptionalValue, in one word with it."""
    options = {
        name: option for option in command.params if isinstance(option, OptionalValue) for name in option.opts
    }
    filled: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*filled, word, *rest]
        option = options.get(word)
        if option is not None:
            value = rest.pop(0) if rest and option.takes(rest[0]) else option.bare
            word = f"{word}={value}"
        filled.append(word)
    return filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What goes along with a command to the host that Docker is on, and what becomes of its answer."""

    words: Sequence[str]
    typed: bytes = field(default=b"", repr=False)
    """What it finds at its standard input."""
    output_path: str | None = None
    """The file of this machine that its standard output goes to."""


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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, fill_in(self, args))
        except click.UsageError as problem:
            problem.ctx = problem.ctx or ctx  # click forgets it of an option without its value
            raise

    @property
    def passes_words_on(self) -> bool:
        """Are its words those of `docker run`? Then an option of ours may only stand before its name."""
        return bool(self.context_settings.get("ignore_unknown_options"))

    needs: Needs = Needs.HOST
    """What of the host it needs: where Docker is elsewhere, or the user is not root, it may run there."""

    def invoke(self, ctx: click.Context) -> Any:
        if self.needs is not Needs.NOTHING and not ctx.meta.get(LOCAL):
            settings = read_settings()
            if is_elsewhere(self.needs, settings):
                from weave_cli.commands.forwarding import forward

                return forward(settings, self.needs, self.pack(ctx), tell=get_output(ctx).tell)
        status = super().invoke(ctx)
        output = get_output(ctx)
        if not output.has_answer:
            output.answer(DONE_KIND, {"command": self.name})
        return status

    def pack(self, ctx: click.Context) -> Parcel:
        """What goes along when it runs elsewhere."""
        return Parcel(words=ctx.meta[WORDS])


class PictureCommand(WeaveCommand):
    """One that may draw into a file, which is of the machine where it was typed."""

    def pack(self, ctx: click.Context) -> Parcel:
        words: Sequence[str] = ctx.meta[WORDS]
        path = ctx.params.get("svg")
        if path in (None, "-"):
            return Parcel(words=words)
        return Parcel(words=replace_file(words, "--svg"), output_path=path)


class LaunchCommand(WeaveCommand):
    """One that takes words of the first versions as well, and says what they are called now."""

    def pack(self, ctx: click.Context) -> Parcel:
        """The password file is of the machine where the command was typed."""
        from weave_cli.operations.passwords import read_password_elsewhere

        words: Sequence[str] = ctx.meta[WORDS]
        path = ctx.params.get("password_file")
        if path is None or ctx.params.get("password") is not None:  # both together are refused there
            return Parcel(words=words)
        return Parcel(words=replace_file(words, "--password-file"), typed=read_password_elsewhere(path))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        tell = get_output(ctx).tell
        before = len(args)
        if args and _CIDR.fullmatch(args[0]):
            tell(f"WARNING: {args[0]} is ignored: the router takes no address.", NoticeCode.IGNORED)
            args = args[1:]
        modern = [_modernised(word, tell) for word in args]
        if WORDS in ctx.meta:  # nobody is told of it twice
            ctx.meta[WORDS] = (*ctx.meta[WORDS][: len(ctx.meta[WORDS]) - before], *modern)
        return super().parse_args(ctx, modern)


def replace_file(words: Sequence[str], option: str) -> tuple[str, ...]:
    """The words, with the file that an option names replaced by `-`: standard input, or output."""
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return (*found, word, *rest)
        if word == option:
            next(rest, None)
            word = f"{option}=-"
        elif word.startswith(f"{option}="):
            word = f"{option}=-"
        found.append(word)
    return tuple(found)


def _modernised(word: str, tell: Callable[[str, NoticeCode], None]) -> str:
    option, equals, value = word.partition("=")
    modern = _RETIRED.get(option)
    if modern is None:
        return word
    tell(f"WARNING: {option} is deprecated; use {modern} instead.", NoticeCode.DEPRECATED)
    return f"{modern}{equals}{value}"


def command(
    name: str, *, kind: type[WeaveCommand] = WeaveCommand, needs: Needs = Needs.HOST, **attributes: Any
) -> Callable[[Function], WeaveCommand]:
    """Declare a command: click's own decorator, with our options --output and --help.

    needs: what of the host; the less, the more often it can run where it was typed.
    """

    passes_on = bool(attributes.get("context_settings", {}).get("ignore_unknown_options"))

    def declare(function: Function) -> WeaveCommand:
        helped = help_option(function, is_short=not passes_on)
        made = click.command(name, cls=kind, add_help_option=False, **attributes)(helped)
        made.needs = needs
        return made if passes_on else output_option(made)

    return declare
