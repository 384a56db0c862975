"""One log format and one level switch for all our daemons. Knows nothing of what is logged."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class _Formatter(logging.Formatter):
    """`LEVEL: 2006/01/02 15:04:05.000000 text`, the shape that the Go router's readers know."""

    _names: Final = {
        logging.DEBUG: "DEBU",
        logging.INFO: "INFO",
        logging.WARNING: "WARN",
        logging.ERROR: "ERRO",
    }

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(record.created))
        name = self._names.get(record.levelno, record.levelname[:4])
        text = f"{name}: {moment}.{int(record.created % 1 * 1_000_000):06d} {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


class _NoTrace(logging.Filter):
    """Whoever sends what is no HTTP is worth one line, not a trace of the library that found it out."""

    _source: Final = "aiohttp.http_exceptions"

    def filter(self, record: logging.LogRecord) -> bool:
        kind, problem, _ = record.exc_info or (None, None, None)
        if kind is not None and kind.__module__ == self._source:
            first_line = str(problem).strip().partition("\n")[0]
            record.msg, record.args = "a request that is no HTTP: %.200s", (first_line,)
            record.exc_info = None
        return True


def start_logging(level: str) -> None:
    """Send all loggers to stderr at `level`, one of LEVELS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    # Libraries that tell of every request at info level would drown our own lines.
    for name in ("aiohttp.access", "asyncio", "urllib3", "docker", "pyroute2"):
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.WARNING))
    handler.addFilter(_NoTrace())
