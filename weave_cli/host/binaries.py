"""The one place that runs programs of the host's: iptables in its two backends, and those of systemd."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem

_TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left behind; `status` is 0 when it was content."""

    status: int
    stdout: str
    stderr: str


def run_program(arguments: Sequence[str], *, stdin: str = "") -> Completed:
    """Run to the end. Raises HostProblem when the program is not there or takes longer than 30 s."""
    try:
        done = subprocess.run(
            arguments,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            start_new_session=True,  # Ctrl-C is for us, who know what is half-way
        )
    except FileNotFoundError as error:
        # Every program we run has the name of its package, or that name and a suffix.
        package = arguments[0].partition("-")[0]
        raise HostProblem(
            f"program {arguments[0]} not found",
            hint=f"Install the package {package} on this host.",
            code=Code.PROGRAM_MISSING,
        ) from error
    except OSError as error:
        raise HostProblem(
            f"cannot run {arguments[0]}: {error.strerror}", code=Code.PROGRAM_MISSING
        ) from error
    except subprocess.TimeoutExpired as error:
        raise HostProblem(
            f"{' '.join(arguments)} did not end within {_TIMEOUT_S} s", code=Code.PROGRAM_MISSING
        ) from error
    return Completed(done.returncode, done.stdout, done.stderr)
