"""Steps that Docker's restart may interrupt, done again when it answers: for commands that must end well."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from weave_cli.containers.client import Docker, answers, open_docker
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import DockerProblem
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings

T = TypeVar("T")

#: Seconds in which Docker has to answer again, in all of a command.
_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.2
#: So often a step is refused before it counts: a Docker that is about to end refuses this and that.
_REFUSALS: Final = 3
_AFTER_REFUSAL_S: Final = 0.5

_AWAY: Final = "Docker does not answer, as when it restarts: going on when it does."


def open_patiently(settings: Settings, reporter: Reporter, *, limit_s: float = _LIMIT_S) -> Docker:
    """A client once there is a Docker; raises DockerProblem when there is none in all that time."""
    ends_at = time.monotonic() + limit_s
    is_told = False
    while True:
        try:
            return open_docker(settings)
        except DockerProblem as problem:
            if problem.code != Code.DOCKER_UNREACHABLE or time.monotonic() > ends_at:
                raise
        if not is_told:
            reporter.notice(_AWAY, NoticeCode.DOCKER_AWAY)
            is_told = True
        time.sleep(_POLL_S)


class Patience:
    """For one command: its steps share the time that there is for waiting."""

    def __init__(self, client: Docker, reporter: Reporter, *, limit_s: float = _LIMIT_S) -> None:
        self._client = client
        self._reporter = reporter
        self._left_s = limit_s

    def do(self, step: Callable[[], T]) -> T:
        """What the step gives, which may be done again as a whole; raises DockerProblem as it does."""
        refusals = 0
        while True:
            try:
                return step()
            except DockerProblem as problem:
                if problem.code not in (Code.DOCKER, Code.DOCKER_UNREACHABLE):
                    raise  # it is our own word
                if answers(self._client):
                    refusals += 1
                    if refusals == _REFUSALS:
                        raise
                    time.sleep(_AFTER_REFUSAL_S)
                elif not self._sees_docker_return():
                    raise

    def _sees_docker_return(self) -> bool:
        self._reporter.notice(_AWAY, NoticeCode.DOCKER_AWAY)
        while self._left_s > 0:
            began = time.monotonic()
            if answers(self._client):
                return True
            time.sleep(_POLL_S)
            # A Docker that hangs takes minutes to be asked.
            self._left_s -= time.monotonic() - began
        return False
