"""The user's own docker command, for words that only it understands: those of `docker run`."""

from __future__ import annotations

import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from weave_cli.containers.client import Docker, translated
from weave_cli.containers.lifecycle import remove_container
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem
from weave_cli.names import RUN_LABEL

_PROGRAM: Final = "docker"
_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DockerCommandFailed(DockerProblem):
    """It has said why on stderr, which is the user's."""

    def __init__(self, word: str, status: int) -> None:
        super().__init__(f"docker {word} failed with status {status}", code=Code.DOCKER_COMMAND)
        self.exit_status = status


def run_detached(client: Docker, arguments: Sequence[str], *, options: Sequence[str] = ()) -> str:
    """`docker OPTIONS run -d ARGUMENTS`; answers the container's id. Its messages go to our stderr.

    Interrupted, it leaves no container. Raises DockerCommandFailed with its exit status, and DockerProblem
    when there is no such program.
    """
    mark = f"{RUN_LABEL}={uuid.uuid4().hex}"
    command = [_PROGRAM, *options, "run", f"--label={mark}", "--detach", *arguments]
    with _removed_on_interrupt(client, mark):
        process: subprocess.Popen[str] | None = None
        try:
            with interrupts_held_back():
                # In a session of its own, so that an interrupt of ours does not leave it half-way.
                process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
            output, _ = process.communicate()
        except OSError as problem:
            raise DockerProblem(
                f"cannot run {_PROGRAM}: {problem.strerror}",
                hint="Install Docker's command line.",
                code=Code.DOCKER_COMMAND,
            ) from problem
        except BaseException:
            if process is not None:
                process.terminate()
                process.communicate()
            raise
    if process.returncode != 0:
        raise DockerCommandFailed("run", process.returncode)
    return output.strip()


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """One in the middle of Popen would leave a process that nobody knows, and so nobody ends."""
    held: list[int] = []
    former = {number: signal.getsignal(number) for number in _INTERRUPTS}
    ours = {number: handler for number, handler in former.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        for one, handler in ours.items():
            signal.signal(one, handler)
    for caught in held:
        signal.raise_signal(caught)


@contextmanager
def _removed_on_interrupt(client: Docker, mark: str) -> Iterator[None]:
    """Its name is not known before docker has said it: it is found by its label."""
    try:
        yield
    except DockerProblem:
        raise
    except BaseException:
        with translated("find the container just made"):
            rows: list[dict[str, Any]] = client.api.containers(all=True, filters={"label": mark})
        for row in rows:
            remove_container(client, row["Id"])
        raise
