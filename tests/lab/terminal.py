"""A command at a terminal: a scenario types, waits for words and sees what an operator sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Final, Self

#: What moves cursors and asks for their place; a reader wants the words.
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Use it in a `with`: its end ends the command."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=dict(environment)
        )
        os.close(slave)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        self.press(f"{line}\n")

    def press(self, keys: str) -> None:
        """Press keys; Tab and Ctrl-U are characters too."""
        os.write(self._master, keys.encode())

    def resize(self, *, rows: int, columns: int) -> None:
        """As somebody who drags a corner of the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        os.killpg(self._process.pid, signal.SIGWINCH)

    def wait_for(self, pattern: str, *, within_s: float = 60) -> str:
        """What was printed since the last wait, up to and with this regular expression."""
        end = time.monotonic() + within_s
        while True:
            match = re.search(pattern, self.seen)
            if match:
                shown, self.seen = self.seen[: match.end()], self.seen[match.end() :]
                return shown
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"the terminal never showed {pattern!r} but:\n{self.seen}")

    def wait_for_end(self, *, within_s: float = 60) -> int:
        """The exit status of the command."""
        end = time.monotonic() + within_s
        while self._read(end - time.monotonic()):
            pass
        return self._process.wait(timeout=max(0.1, end - time.monotonic()))

    def _read(self, remaining_s: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0, remaining_s))
        if not ready:
            return False
        try:
            octets = os.read(self._master, 65536)
        except OSError:  # EIO: everybody on the other side is gone
            return False
        text = octets.decode(errors="replace").replace("\r\n", "\n")
        self.seen += _CONTROL.sub("", text)
        return bool(octets)
