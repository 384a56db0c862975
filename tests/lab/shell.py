"""Commands as an operator types them: what they print, how they end; none goes on after its time is over."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a command went. `status` is the shell's: 0 is success."""

    host: str
    command: str
    stdout: str
    stderr: str
    status: int

    def __str__(self) -> str:
        printed = "\n".join(text.rstrip() for text in (self.stdout, self.stderr) if text)
        return f"{self.host}$ {self.command}\n[status {self.status}]\n{printed}".rstrip()


class CommandFailed(Exception):
    """A command that had to succeed did not, or did not end in time."""


def run_shell(
    entry: Sequence[str], host: str, command: str, *, env: Mapping[str, str], timeout: float, stdin: str = ""
) -> Result:
    """Run the command with bash behind `entry` (what enters the host) in a process group of its own.

    Output goes through files, so that what the command leaves in the background does not hold up the answer.
    Raises CommandFailed after `timeout` seconds, with what was printed until then; the group is killed.
    """
    with tempfile.TemporaryFile() as typed, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        typed.write(stdin.encode())
        typed.seek(0)
        started = subprocess.Popen(
            [*entry, "bash", "-c", command],
            stdin=typed,
            stdout=out,
            stderr=err,
            env=dict(env),
            cwd="/",
            start_new_session=True,
        )
        timed_out = False
        try:
            status = started.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out, status = True, -signal.SIGKILL
            _kill_group(started)
        except BaseException:
            _kill_group(started)
            raise
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    result = Result(host=host, command=command, stdout=texts[0], stderr=texts[1], status=status)
    if timed_out:
        raise CommandFailed(f"not done after {timeout:g} s: {result}")
    return result


def _kill_group(started: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(started.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    started.wait()
