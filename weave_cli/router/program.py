"""The program weaver: start-up, the exit status and the last words. What it is made of is in assembly."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from weave_cli import __version__
from weave_cli.errors import WeaveError
from weave_cli.logs import start_logging
from weave_cli.router.assembly import Weaver
from weave_cli.router.options import Options, parse_options

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the router until it is told to stop; the exit status."""
    try:
        options = parse_options(sys.argv[1:] if arguments is None else arguments)
        start_logging(options.log_level)
        log.info("weave router %s: %s", __version__, " ".join(sys.argv[1:]))
        asyncio.run(_run(options))
    except WeaveError as problem:
        # The command line shows our last log lines when we die, so the reason and the advice come last.
        if not logging.getLogger().handlers:
            start_logging("info")
        log.error("%s", problem.message)
        if problem.hint:
            log.error("%s", problem.hint)
        return problem.exit_status
    return 0


async def _run(options: Options) -> None:
    # weaveDNS answers in a thread of its own; it gets its turn soon even while a long gossip is encoded here.
    sys.setswitchinterval(0.0005)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    weaver = Weaver(options)
    try:
        await weaver.start(stopping)
        await stopping.wait()
        log.info("stopping")
    finally:
        await weaver.stop()
