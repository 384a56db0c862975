"""The commands as a user meets them: all there, all with help, quick to start, completions current."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from weave_cli.commands import reference
from weave_cli.commands.completion import SHELLS, render
from weave_cli.commands.examples import EXAMPLES
from weave_cli.commands.tree import COMMANDS, PLUMBING, weave

pytestmark = pytest.mark.surface

_ROOT = Path(__file__).parents[2]

_EXPECTED = """
    setup launch launch-router launch-plugin launch-proxy stop stop-router stop-plugin stop-proxy connect
    forget rmpeer prime run start restart attach detach expose hide network dns-args dns-add dns-remove
    dns-lookup status report ps doctor connectivity reset install-service
    env config version help
""".split()

#: Each costs more to import than `weave --help` may take in all.
_HEAVY = (
    "docker",
    "nacl",
    "requests",
    "rich",
    "pyroute2",
    "aiohttp",
    "dns",
    "asyncio",
    "urllib3",
    "http.server",
)


def _commands() -> list[click.Command]:
    context = click.Context(weave)
    found = [weave.get_command(context, name) for name in COMMANDS]
    return [command for command in found if command is not None]


def test_tree_has_the_commands_of_the_specification() -> None:
    assert list(COMMANDS) == _EXPECTED


def test_commands_carry_the_names_of_the_table() -> None:
    assert [command.name for command in _commands()] == list(COMMANDS)


@pytest.mark.parametrize("name", PLUMBING)
def test_words_for_insiders_are_there_and_hidden(name: str) -> None:
    command = weave.get_command(click.Context(weave), name)
    assert command is not None and command.hidden and command.help
    assert command.name == name
    assert name not in weave.list_commands(click.Context(weave))
    assert f" {name} " not in weave.get_help(click.Context(weave))


@pytest.mark.parametrize("command", _commands(), ids=lambda command: str(command.name))
def test_table_repeats_the_first_sentence_of_the_help(command: click.Command) -> None:
    assert command.name is not None
    assert (command.help or "").splitlines()[0] == COMMANDS[command.name][2]


@pytest.mark.parametrize("command", _commands(), ids=lambda command: str(command.name))
def test_every_option_is_explained(command: click.Command) -> None:
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert "--help" in [name for option in options for name in option.opts]
    assert [option.opts for option in options if not option.help] == []


def test_every_command_has_an_example_and_no_other_word_has() -> None:
    assert list(EXAMPLES) == list(COMMANDS), "see weave_cli/commands/examples.py"


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, examples in EXAMPLES.items() for line, _ in examples]
)
def test_examples_are_lines_that_the_command_takes(name: str, line: str) -> None:
    typed = [shlex.split(part) for part in re.findall(r"(?:^|[(&] ?)weave ([^&|)]+)", line)]
    assert name in [words[0] for words in typed]
    for word, *rest in typed:
        command = weave.get_command(click.Context(weave), word)
        assert command is not None
        command.make_context(word, rest)


@pytest.mark.parametrize("command", _commands(), ids=lambda command: str(command.name))
def test_help_ends_with_the_examples(command: click.Command) -> None:
    assert command.name is not None
    shown = command.get_help(click.Context(command, info_name=command.name))
    assert shown.rstrip().endswith(f"\n  {EXAMPLES[command.name][-1][0]}")


def test_reference_is_current() -> None:
    written = (_ROOT / "docs" / "commands.md").read_text()
    assert written == reference.render(), "run: make reference"


@pytest.mark.parametrize("shell", SHELLS)
def test_completions_are_current(shell: str) -> None:
    written = (_ROOT / "completions" / f"weave.{shell}").read_text()
    assert written == render(shell), "run: python -m weave_cli.commands.completion"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["dns-args"],
        ["connect", "--help"],
        ["prime"],
        ["ps"],
        ["status"],
        ["bogus"],
        ["version"],
        ["dns-lookup", "web"],
        ["-o", "json", "status"],
    ],
)
def test_quick_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from weave_cli.commands.tree import run\n"
        f"run({arguments!r})\n"
        f"print([name for name in {_HEAVY!r} if name in sys.modules])\n"
    )
    # Port 9 of loopback: nobody listens there, so dns-args goes the way of a router that is down.
    environment = {**os.environ, "WEAVE_HTTP_ADDR": "127.0.0.1:9", "DOCKER_BRIDGE": "lo"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.endswith("[]\n")
