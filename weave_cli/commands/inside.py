"""The program in a helper container: one errand, as if it had been typed on this host.

    python -m weave_cli.commands.inside <the errand

The errand (containers/errand) comes through standard input; then signals do, by their numbers, until the end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Final

from weave_cli.commands.tree import run
from weave_cli.containers.errand import read_errand
from weave_cli.error_codes import ExitStatus
from weave_cli.errors import UsageProblem
from weave_cli.output.terminals import take_terminals
from weave_cli.output.text import tell, tell_problem
from weave_cli.settings import adopt_environment

_STDIN: Final = 0

#: The host's process ids are ours, so its first process tells where its files are.
_HOST_ROOT: Final = "/proc/1/root"


def main() -> int:
    """Read, then run; answers the exit status."""
    try:
        errand = read_errand(lambda most: os.read(_STDIN, most))
    except UsageProblem as problem:
        tell_problem(problem)
        return problem.exit_status
    adopt_environment(errand.environment, root=_HOST_ROOT)
    take_terminals(errand.terminals, errand.input)
    try:
        threading.Thread(target=_listen, name="signals", daemon=True).start()
        return run(["--local", *errand.words])
    except KeyboardInterrupt:  # before the command had begun
        tell("interrupted")
        return ExitStatus.INTERRUPTED


def _listen() -> None:
    """Signals, as they come; the end of the conversation is like that of a terminal."""
    while number := os.read(_STDIN, 1):
        os.kill(os.getpid(), number[0])
    os.kill(os.getpid(), signal.SIGHUP)


if __name__ == "__main__":
    sys.exit(main())
