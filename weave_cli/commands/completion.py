"""Completion for shells: the scripts, made from the tree, and how they ask what may come next.

`python -m weave_cli.commands.completion DIRECTORY` writes the scripts; a test holds the files in completions/
to what this makes. A shell that completes never sees an error of ours, and never waits long.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

from weave_cli.commands.tree import weave
from weave_cli.settings import COMPLETION_VARIABLE, read_bash_line

#: A person who pressed a key has better things to do than to wait for a Docker that hangs.
_PATIENCE_S: Final = 1.5

#: Where bash cuts words, as far as such characters occur in ours.
_CUTS: Final = "=:"

_BASH: Final = """\
%(complete_func)s() {
    local response type value

    # The words that bash makes are cut at '=' and ':', which are in addresses and options: so the whole line.
    response=$(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()

    while IFS=',' read -r type value; do
        if [[ $type == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("$value")
        fi
    done <<< "$response"

    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _WholeOption(ShellComplete):
    """Shells that replace the whole word: click answers VALUE for --option=VAL, they want --option=VALUE."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        found = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        if equals and option.startswith("-"):
            for item in found:
                if item.type == "plain":
                    item.value = f"{option}={item.value}"
        return found


class WeaveBash(_WholeOption, BashComplete):
    """bash: looks at the whole line, and answers the part of the word that bash would replace."""

    source_template = _BASH

    def source(self) -> str:
        # Not that of click, which starts a bash to learn its version: that says nothing of the user's.
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        line, self._breaks = read_bash_line()
        words = split_arg_string(line)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words[1:], incomplete

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        found = super().get_completions(args, incomplete)
        cut = max(
            (incomplete.rfind(character) for character in _CUTS if character in self._breaks), default=-1
        )
        for item in found:
            item.value = item.value[cut + 1 :]
        return found


class WeaveZsh(_WholeOption, ZshComplete):
    """zsh."""

    source_template = ZshComplete.source_template.replace(
        "zsh_complete %(prog_name)s", "zsh_complete %(prog_name)s 2>/dev/null"
    )


class WeaveFish(_WholeOption, FishComplete):
    """fish."""

    source_template = FishComplete.source_template.replace(
        "(commandline -t) %(prog_name)s)", "(commandline -t) %(prog_name)s 2>/dev/null)"
    )


SHELLS: Final[dict[str, type[ShellComplete]]] = {"bash": WeaveBash, "zsh": WeaveZsh, "fish": WeaveFish}


def render(shell: str) -> str:
    """The script that makes this shell ask `weave` itself what may come next."""
    return SHELLS[shell](weave, {}, "weave", COMPLETION_VARIABLE).source().rstrip("\n") + "\n"


def complete() -> NoReturn:
    """Answer the shell that asks through the environment, or nothing: within a moment, and without a word."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)
    with open(os.devnull, "w") as nowhere:
        sys.stderr = nowhere
        for name, shell in SHELLS.items():
            add_completion_class(shell, name)
        try:
            weave.main([], prog_name="weave", standalone_mode=False)
        except SystemExit:
            sys.stdout.flush()
        except Exception:  # the shell cannot show it, and whoever typed did not ask for it
            pass
        os._exit(0)


def main(directory: Path) -> None:
    """Write the script of every shell."""
    for shell in SHELLS:
        (directory / f"weave.{shell}").write_text(render(shell))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "completions"))
