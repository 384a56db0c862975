"""The command reference docs/commands.md, made from the tree: `python -m weave_cli.commands.reference FILE`.

A test holds that file to what this makes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from weave_cli.commands.examples import EXAMPLES
from weave_cli.commands.tree import COMMANDS, PLUMBING, weave

_HEAD = """\
# Commands

What `weave help COMMAND` says, all in one place. This file is made by `make reference`; do not edit it.

What was asked for is printed on stdout, all else on stderr. The exit status is 0 when all went well, 1 for
wrong usage and most errors; a command whose status says more tells so.
"""

_INSIDERS = """\
## For insiders

Not listed by `weave help`: steps of other commands, and words of earlier versions that explain themselves.

| command | what it does |
|---|---|
"""


def render() -> str:
    """The whole reference, as Markdown."""
    root = click.Context(weave, info_name="weave")
    parts = [_HEAD, _contents(), *(_section(root, name) for name in COMMANDS), _insiders(root)]
    return "\n".join(parts)


def _contents() -> str:
    rows = "".join(f"| [{name}](#{name}) | {summary} |\n" for name, (_, _, summary) in COMMANDS.items())
    return f"| command | what it does |\n|---|---|\n{rows}"


def _section(root: click.Context, name: str) -> str:
    command, context = _find(root, name)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    blocks = [f"## {name}\n", f"    {usage}\n", *_paragraphs(command.help or "")]
    if options := list(_options(command)):
        blocks.append("| option | meaning |\n|---|---|\n" + "".join(options))
    examples = "".join(f"    # {meaning}\n    {line}\n" for line, meaning in EXAMPLES.get(name, ()))
    return "\n".join([*blocks, examples] if examples else blocks)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        words = " ".join(paragraph.replace("\b", "").split())
        yield f"{_escaped(words)}\n"


def _options(command: click.Command) -> Iterator[str]:
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden and "--help" not in option.opts:
            spelling = ", ".join(f"{name}{_value(option)}" for name in option.opts)
            yield f"| `{_escaped(spelling)}` | {_escaped(option.help or '')} |\n"


def _value(option: click.Option) -> str:
    """What is to stand behind the option's name; not left to click, whose versions differ about it."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return f" {'|'.join(map(str, option.type.choices))}"
    return f" {option.metavar or (option.name or '').upper()}"


def _insiders(root: click.Context) -> str:
    rows = (f"| `{name}` | {(_find(root, name)[0].help or '').splitlines()[0]} |\n" for name in PLUMBING)
    return _INSIDERS + "".join(rows)


def _find(root: click.Context, name: str) -> tuple[click.Command, click.Context]:
    command = weave.get_command(root, name)
    assert command is not None, "the tables name commands that exist"
    return command, click.Context(command, info_name=name, parent=root)


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")


def main(path: Path) -> None:
    """Write the reference."""
    path.write_text(render())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/commands.md"))
