"""The user's own docker command, for words that only it understands: those of `docker run`."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from weave_cli.containers.client import Docker, translated
from weave_cli.containers.lifecycle import remove_container
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem
from weave_cli.interrupts import Interrupted, unbroken, undoing
from weave_cli.names import RUN_LABEL

_PROGRAM: Final = "docker"
_PATIENCE_S: Final = 1.0


class DockerCommandFailed(DockerProblem):
    """It has said why on stderr, which is the user's."""

    def __init__(self, word: str, status: int) -> None:
        super().__init__(f"docker {word} failed with status {status}", code=Code.DOCKER_COMMAND)
        self.exit_status = status


def new_mark() -> str:
    """A label by which a container is found whose name and id are not known yet."""
    return f"{RUN_LABEL}={uuid.uuid4().hex}"


def run_detached(arguments: Sequence[str], *, mark: str, options: Sequence[str] = ()) -> str:
    """`docker OPTIONS run -d ARGUMENTS`; answers the container's id. Its messages go to our stderr.

    Interrupted, it may leave a container with this mark. Raises DockerCommandFailed with its exit status, and
    DockerProblem when there is no such program.
    """
    command = [_PROGRAM, *options, "run", f"--label={mark}", "--detach", *arguments]
    process: subprocess.Popen[str] | None = None
    try:
        # An interrupt in the middle of Popen would leave a process that nobody knows, and so nobody ends.
        with unbroken():
            # In a session of its own, so that an interrupt of ours does not leave it half-way.
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        output, _ = process.communicate()
    except OSError as problem:
        raise DockerProblem(
            f"cannot run {_PROGRAM}: {problem.strerror}",
            hint="Install Docker's command line.",
            code=Code.DOCKER_COMMAND,
        ) from problem
    except BaseException as problem:
        if process is not None:
            with undoing(problem):
                _end(process)
        raise
    if process.returncode != 0:
        raise DockerCommandFailed("run", process.returncode)
    return output.strip()


@contextmanager
def removed_on_interrupt(client: Docker, mark: str) -> Iterator[None]:
    """Of what an interrupt ends, no container with this mark stays."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as problem:
        with undoing(problem), translated("find the container just made"):
            rows: list[dict[str, Any]] = client.api.containers(all=True, filters={"label": mark})
            for row in rows:
                remove_container(client, row["Id"])
        raise


def _end(process: subprocess.Popen[str]) -> None:
    """Docker goes on making a container whose client is gone: give it the time to be found. A pull ends."""
    try:
        process.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.communicate()
