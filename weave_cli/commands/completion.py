"""Completion scripts for shells, made from the tree: `python -m weave_cli.commands.completion DIRECTORY`.

A test holds the files in completions/ to what this makes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from weave_cli.commands.tree import weave

_VARIABLE: Final = "_WEAVE_COMPLETE"

SHELLS: Final[dict[str, type[ShellComplete]]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}


def render(shell: str) -> str:
    """The script that makes this shell ask `weave` itself what may come next."""
    made = SHELLS[shell](weave, {}, "weave", _VARIABLE)
    # Not source(): for bash that starts a bash to learn its version, which says nothing of the user's.
    return (made.source_template % made.source_vars()).rstrip("\n") + "\n"


def main(directory: Path) -> None:
    """Write the script of every shell."""
    for shell in SHELLS:
        (directory / f"weave.{shell}").write_text(render(shell))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "completions"))
