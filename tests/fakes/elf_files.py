"""ELF files of a few hundred octets: what a loader reads of one, and a table of sections behind."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_NEEDED, _STRING_TABLE, _RPATH, _RUNPATH = 1, 5, 15, 29
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_BASE = 0x1000
DEBUG_DATA = b"what only debuggers read" * 10


def make_elf(
    *,
    needed: Sequence[str] = (),
    rpath: str | None = None,
    runpath: str | None = None,
    interpreter: str | None = None,
    is_wide: bool = True,
    order: str = "<",
    machine: int = 62,
) -> bytes:
    """One loaded segment with everything in it at address 0x1000, then debug data and a section header."""
    strings = b"\0"
    entries: list[tuple[int, int]] = []
    texts = [(_NEEDED, name) for name in needed]
    texts += [(tag, text) for tag, text in ((_RPATH, rpath), (_RUNPATH, runpath)) if text is not None]
    for tag, text in texts:
        entries.append((tag, len(strings)))
        strings += text.encode() + b"\0"
    loader = (interpreter or "").encode() + b"\0"
    header_size, segment_size = (64, 56) if is_wide else (52, 32)
    count = 3 if interpreter else 2
    at_strings = header_size + count * segment_size
    at_loader = at_strings + len(strings)
    at_dynamic = at_loader + len(loader)
    entries += [(_STRING_TABLE, _BASE + at_strings), (0, 0)]
    dynamic = b"".join(struct.pack(order + ("qQ" if is_wide else "iI"), *entry) for entry in entries)
    end = at_dynamic + len(dynamic)

    segments = [(_LOAD, 0, end), (_DYNAMIC, at_dynamic, len(dynamic))]
    if interpreter:
        segments.append((_INTERPRETER, at_loader, len(loader)))
    table = b"".join(_segment(order, is_wide, *segment) for segment in segments)
    ident = b"\x7fELF" + bytes([2 if is_wide else 1, 1 if order == "<" else 2, 1]) + b"\0" * 9
    header = struct.pack(
        order + ("HHIQQQIHHHHHH" if is_wide else "HHIIIIIHHHHHH"),
        *(
            3,
            machine,
            1,
            0,
            header_size,
            end + len(DEBUG_DATA),
            0,
            header_size,
            segment_size,
            count,
            64,
            1,
            0,
        ),
    )
    return ident + header + table + strings + loader + dynamic + DEBUG_DATA + b"\0" * 64


def _segment(order: str, is_wide: bool, kind: int, offset: int, size: int) -> bytes:
    address = _BASE + offset
    if is_wide:
        return struct.pack(order + "IIQQQQQQ", kind, 5, offset, address, address, size, size, 0x1000)
    return struct.pack(order + "IIIIIIII", kind, offset, address, address, size, size, 5, 0x1000)
