"""What plugin and proxy share as programs: signals, an end with a reason, tasks that defects do not end."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

from weave_cli.errors import WeaveError
from weave_cli.logs import start_logging
from weave_cli.settings import Settings, read_settings

log = logging.getLogger(__name__)

_RESTART_S: Final = 5.0


class DaemonOptions(Protocol):
    """What every command line of theirs has."""

    @property
    def log_level(self) -> str: ...


OptionsT = TypeVar("OptionsT", bound=DaemonOptions)


def run_daemon(
    arguments: Sequence[str],
    read_options: Callable[[Sequence[str], Settings], OptionsT],
    serve: Callable[[OptionsT, Settings, asyncio.Event], Coroutine[Any, Any, None]],
) -> int:
    """Serve until SIGTERM or SIGINT, which set the event; the exit status, or that of the error it logged."""

    async def run(options: OptionsT, settings: Settings) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(options, settings, stop)

    try:
        settings = read_settings()
        options = read_options(arguments, settings)
        start_logging(options.log_level)
        asyncio.run(run(options, settings))
    except WeaveError as problem:
        log.error("%s", "\n".join(filter(None, (problem.message, problem.hint))))
        return problem.exit_status
    return 0


def supervise(name: str, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """A background task that a defect must not end: Docker or containers would wait on for what it does."""

    async def repeat() -> None:
        while True:
            try:
                await run()
            except WeaveError as problem:
                log.error("%s: %s", name, problem)
            except Exception:
                log.exception("%s failed; it starts again in %.0f s", name, _RESTART_S)
            await asyncio.sleep(_RESTART_S)

    return asyncio.create_task(repeat(), name=name)
