"""The few inputs that reach as much as many do; libFuzzer's own way cannot start Python again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

#: A step from one line to another, in one file.
_Step = tuple[str, int, int]


def smallest(check: Callable[[bytes], None], inputs: Iterable[bytes]) -> list[bytes]:
    """Inputs, short ones first, each of which makes a step in weave_cli that none before it made."""
    reached: set[_Step] = set()
    chosen = []
    for one in sorted(set(inputs), key=lambda data: (len(data), data)):
        steps = _steps_of(check, one)
        if not steps <= reached:
            reached |= steps
            chosen.append(one)
    return chosen


def _steps_of(check: Callable[[bytes], None], data: bytes) -> set[_Step]:
    steps: set[_Step] = set()
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        if "/weave_cli/" not in frame.f_code.co_filename:
            return None
        steps.add((frame.f_code.co_filename, last.get(frame, 0), frame.f_lineno))
        last[frame] = frame.f_lineno
        return trace

    sys.settrace(trace)
    try:
        check(data)
    finally:
        sys.settrace(None)
    return steps
