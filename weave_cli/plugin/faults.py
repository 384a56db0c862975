"""Death at a chosen moment, for tests of what a plugin leaves behind that is killed. Nobody else sets these.

A test writes `NetworkDriver.Join after` into the file that WEAVE_PLUGIN_FAULTS names. The plugin ends as if
killed at the next such call: `before` it has had any effect, or `after` it had all of it and before Docker is
answered. The file is gone then, so the plugin that Docker starts anew lives. Whoever can write that file can
kill the plugin anyway: it belongs beside the sockets, where only root writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

#: What a shell sees of a process that SIGKILL ended.
_KILLED: Final = 137

Moment = Literal["before", "after"]

#: Told where a call is: its name, as in `NetworkDriver.Join`, and the moment.
Reached = Callable[[str, Moment], None]


def pass_by(_call: str, _moment: Moment) -> None:
    """Nothing happens: the rule outside of tests."""


def read_faults(path: str | None) -> Reached:
    """What is to happen at each moment of each call; path: of the file, None: there is none."""
    return pass_by if path is None else FaultFile(path).reach


class FaultFile:
    """Looked at anew at each moment: the test may choose while we run."""

    def __init__(self, path: str, *, die: Callable[[], None] | None = None) -> None:
        """die: instead of killing the process."""
        self._path = path
        self._die = die or _die

    def reach(self, call: str, moment: Moment) -> None:
        with suppress(FileNotFoundError):
            with open(self._path, encoding="ascii") as file:
                is_meant = file.read().split() == [call, moment]
            if is_meant:
                os.unlink(self._path)
                self._die()


def _die() -> None:
    # At once, as SIGKILL would: that one the first process of a container cannot send to itself.
    os._exit(_KILLED)
