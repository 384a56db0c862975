"""Send a command to where Docker is, with all that it finds here: variables, terminals, input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from weave_cli.commands.place import Needs
from weave_cli.commands.usage import Parcel
from weave_cli.containers.errand import Errand
from weave_cli.containers.helper import STDOUT, OnOutput
from weave_cli.error_codes import Code, ExitStatus, NoticeCode
from weave_cli.errors import DockerProblem, HostProblem, WeaveError
from weave_cli.operations.elsewhere import run_elsewhere
from weave_cli.output.progress import Progress
from weave_cli.output.terminals import describe_size, find_terminals, pass_on
from weave_cli.settings import Settings, forwarded_environment


def forward(
    settings: Settings,
    needs: Needs,
    parcel: Parcel,
    *,
    tell: Callable[[str, NoticeCode], None],
    on_output: OnOutput = pass_on,
) -> int:
    """The command's exit status; its words come out here as it says them."""
    if parcel.output_path is not None:
        return _forward_into(parcel.output_path, settings, needs, parcel, tell=tell)
    terminals = find_terminals()
    environment = forwarded_environment()
    if terminals:
        environment |= describe_size()
    errand = Errand(
        words=tuple(parcel.words), environment=environment, input=parcel.typed, terminals=terminals
    )
    with Progress(tell) as progress:
        return run_elsewhere(
            settings, errand, _after(progress, on_output), progress, needs_host=needs is Needs.HOST
        )


def _forward_into(
    path: str, settings: Settings, needs: Needs, parcel: Parcel, *, tell: Callable[[str, NoticeCode], None]
) -> int:
    """Put what it prints into a file when it succeeds."""
    status, octets = _take_output(settings, needs, replace(parcel, output_path=None), tell=tell)
    if status == ExitStatus.SUCCESS:
        try:
            Path(path).write_bytes(octets)
        except OSError as problem:
            raise HostProblem(
                f"cannot write {path}: {problem.strerror}", hint="Name another file."
            ) from problem
    return status


def _take_output(
    settings: Settings, needs: Needs, parcel: Parcel, *, tell: Callable[[str, NoticeCode], None]
) -> tuple[int, bytes]:
    """Exit status and what it prints; what it says on stderr goes there."""
    found: list[bytes] = []

    def take(stream: int, octets: bytes) -> None:
        if stream == STDOUT:
            found.append(octets)
        else:
            pass_on(stream, octets)

    return forward(settings, needs, parcel, tell=tell, on_output=take), b"".join(found)


def ask_elsewhere(
    settings: Settings, needs_host: bool, words: Sequence[str], *, tell: Callable[[str, NoticeCode], None]
) -> str:
    """What a command prints there; raises CommandFailed, and KeyboardInterrupt when it was interrupted."""
    needs = Needs.HOST if needs_host else Needs.ROUTER
    status, octets = _take_output(settings, needs, Parcel(words=words), tell=tell)
    if status == ExitStatus.INTERRUPTED:
        raise KeyboardInterrupt
    if status != ExitStatus.SUCCESS:
        raise CommandFailed(words[0], status)
    return octets.decode()


def ask_document(
    settings: Settings, needs: Needs, words: Sequence[str], *, tell: Callable[[str, NoticeCode], None]
) -> dict[str, Any]:
    """The data of a command's answer there; its notices are told here, and its error is raised here."""
    import json  # only this needs it

    status, octets = _take_output(settings, needs, Parcel(words=("--output=json", *words)), tell=tell)
    try:
        document = json.loads(octets)
    except ValueError:
        raise CommandFailed(words[0], status) from None  # it has said why on stderr
    # One of another version may have words that this one has not.
    notices, codes = {str(one): one for one in NoticeCode}, {str(one): one for one in Code}
    for text, code in zip(document["notices"], document["noticeCodes"], strict=True):
        tell(text, notices.get(code, NoticeCode.NOTE))
    problem = document["error"]
    if problem is not None:
        raise WeaveError(problem["message"], hint=problem["hint"], code=codes.get(problem["code"]))
    data: dict[str, Any] = document["data"]
    return data


class CommandFailed(DockerProblem):
    """It has said why on stderr."""

    def __init__(self, word: str, status: int) -> None:
        super().__init__(
            f"weave {word} failed with status {status} on the host of Docker", code=Code.DOCKER_COMMAND
        )
        self.exit_status = status


def _after(progress: Progress, on_output: OnOutput) -> OnOutput:
    """Our own line on the terminal goes before others write there."""

    def show(stream: int, octets: bytes) -> None:
        progress.clear()
        on_output(stream, octets)

    return show
