"""Where messages of a gob stream begin and end, without reading them (specification mesh, A.1, A.2). Pure.

Most of what peers tell each other comes again and again. With these, octets can be compared with those that
came before, where decoding takes a hundred times as long.
"""

from __future__ import annotations

from weave_cli.router.wire.gob_types import GobError


def read_uint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends; raises GobError."""
    if at >= len(data):
        raise GobError("gob: message ends too early")
    first = data[at]
    if first < 128:
        return first, at + 1
    end = at + 257 - first
    if end > len(data) or end - at > 9:
        raise GobError("gob: message ends too early")
    return int.from_bytes(data[at + 1 : end], "big"), end


def skip_definitions(data: bytes, at: int) -> int:
    """Where the next value starts; definitions have a negative type id, that is an odd number."""
    while True:
        _, start = read_uint(data, at)
        if start < len(data) and data[start] < 128:
            is_definition = data[start] & 1
        else:
            number, _ = read_uint(data, start)
            is_definition = number & 1
        if not is_definition:
            return at
        at = end_of_message(data, at)


def end_of_message(data: bytes, at: int) -> int:
    """Where the message that starts there ends; raises GobError when it has not all come."""
    size, start = read_uint(data, at)
    if start + size > len(data):
        raise GobError("gob: message longer than what came")
    return start + size
