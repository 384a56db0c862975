"""What commands are given: settings, and the way to run something that changes this host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from weave_cli import interrupts
from weave_cli.commands.answers import get_output
from weave_cli.commands.place import Needs, is_elsewhere
from weave_cli.output.progress import Progress
from weave_cli.settings import Settings, read_settings

if TYPE_CHECKING:
    from weave_cli.containers.client import Docker


@contextmanager
def changing_host(*, waits_for_docker: bool = False) -> Iterator[tuple[Docker, Settings, Progress]]:
    """Root on Linux, alone, with Docker at hand: for commands that change this host.

    waits_for_docker: it may just be restarting.
    """
    from weave_cli.operations.lock import exclusively

    with as_root() as (settings, progress), exclusively(progress):
        if waits_for_docker:
            from weave_cli.operations.patience import open_patiently

            yield open_patiently(settings, progress), settings, progress
        else:
            yield _open_docker(settings), settings, progress


@contextmanager
def beside_others() -> Iterator[tuple[Docker, Settings, Progress]]:
    """The same, but not alone: for commands that may wait for an address, and lock only what follows."""
    with as_root() as (settings, progress):
        yield _open_docker(settings), settings, progress


@contextmanager
def with_docker() -> Iterator[tuple[Docker, Settings, Progress]]:
    """Docker alone, wherever it is; behind a socket of this host that takes root, or the right to use it."""
    settings = read_settings()
    if not is_elsewhere(Needs.HOST, settings):
        with changing_host() as given:
            yield given
        return
    with Progress(get_output().tell) as progress:
        yield _open_docker(settings), settings, progress


@contextmanager
def as_root() -> Iterator[tuple[Settings, Progress]]:
    """Root on Linux, without Docker."""
    from weave_cli.operations.preflight import check_machine

    settings = read_settings()
    interrupts.listen()
    with Progress(get_output().tell) as progress:
        check_machine(progress)
        yield settings, progress
        interrupts.finish()


def _open_docker(settings: Settings) -> Docker:
    # Imported here: commands that only ask must start fast.
    from weave_cli.containers.client import open_docker

    return open_docker(settings)
