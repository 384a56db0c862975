"""Programs and shared objects as bytes (pure): what they need, and how to lose what only debuggers read.

The format is that of the System V ABI, in its 32- and 64-bit forms and both byte orders.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_MAGIC: Final = b"\x7fELF"
_LARGEST_HEADER: Final = 64
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
#: What a damaged file makes the reader raise; a number may be too large for an offset.
_UNSOUND: Final = (struct.error, ValueError, IndexError, OverflowError)
_END, _NEEDED, _STRING_TABLE, _RPATH, _RUNPATH = 0, 1, 5, 15, 29


@dataclass(frozen=True, slots=True, kw_only=True)
class Elf:
    """What the dynamic loader reads in a file."""

    kind: tuple[int, int]
    """Class (1: 32 bits, 2: 64 bits) and machine: only files of the same kind can be linked together."""
    interpreter: str | None
    """The dynamic loader that a program asks for."""
    needed: tuple[str, ...]
    """Names of shared objects, as a rule without directory."""
    search_path: tuple[str, ...]
    """Directories to look in first; `$ORIGIN` is that of the file itself."""


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


class _Reader:
    """The header and the table of segments; raises struct.error or ValueError for what is no sound file."""

    def __init__(self, data: bytes) -> None:
        if data[:4] != _MAGIC or data[4] not in (1, 2) or data[5] not in (1, 2):
            raise ValueError("no ELF file")
        self.data = data
        self.is_wide = data[4] == 2
        self.order = "<" if data[5] == 1 else ">"
        header = struct.unpack_from(self.order + ("HHIQQQIHHH" if self.is_wide else "HHIIIIIHHH"), data, 16)
        self.kind = (data[4], header[1])
        start, entry_size, count = header[4], header[8], header[9]
        self.segments = [self._segment(start + number * entry_size) for number in range(count)]

    def _segment(self, at: int) -> _Segment:
        if self.is_wide:
            kind, _, offset, address, _, size = struct.unpack_from(self.order + "IIQQQQ", self.data, at)
        else:
            kind, offset, address, _, size = struct.unpack_from(self.order + "IIIII", self.data, at)
        return _Segment(kind, offset, address, size)

    def octets(self, kind: int) -> bytes | None:
        """The first segment of this kind."""
        for segment in self.segments:
            if segment.kind == kind:
                return self.data[segment.offset : segment.offset + segment.size]
        return None

    def dynamic(self) -> list[tuple[int, int]]:
        """Tags and values of the dynamic section."""
        pairs = []
        form = struct.Struct(self.order + ("qQ" if self.is_wide else "iI"))
        octets = self.octets(_DYNAMIC) or b""
        for tag, value in form.iter_unpack(octets[: len(octets) // form.size * form.size]):
            if tag == _END:
                break
            pairs.append((tag, value))
        return pairs

    def string(self, address: int) -> str:
        """The text at an address in memory."""
        for segment in self.segments:
            if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size:
                start = address - segment.address + segment.offset
                return self.data[start : self.data.index(b"\0", start)].decode()
        raise ValueError(f"no segment holds address {address:#x}")


def parse_elf(data: bytes) -> Elf | None:
    """None for anything that is no sound ELF file: a script, a linker's text file, a truncated one."""
    try:
        reader = _Reader(data)
        pairs = reader.dynamic()
        strings = next((value for tag, value in pairs if tag == _STRING_TABLE), 0)
        texts = {
            wanted: [reader.string(strings + value) for tag, value in pairs if tag == wanted]
            for wanted in (_NEEDED, _RPATH, _RUNPATH)
        }
        interpreter = reader.octets(_INTERPRETER)
        return Elf(
            kind=reader.kind,
            interpreter=interpreter.rstrip(b"\0").decode() if interpreter else None,
            needed=tuple(texts[_NEEDED]),
            # RUNPATH makes the loader ignore RPATH.
            search_path=tuple(":".join(texts[_RUNPATH] or texts[_RPATH]).split(":")),
        )
    except _UNSOUND:
        return None


def trim_elf(data: bytes) -> bytes:
    """The file without what lies behind its last segment: symbols and debug data, often most of it.

    What is no sound ELF file, or would not get smaller, comes back as it is.
    """
    try:
        reader = _Reader(data)
    except _UNSOUND:
        return data
    end = max((segment.offset + segment.size for segment in reader.segments), default=len(data))
    if not _LARGEST_HEADER <= end < len(data):
        return data
    trimmed = bytearray(data[:end])
    # The table of sections was behind the segments: say that there is none.
    form, table, count = ("Q", 40, 60) if reader.is_wide else ("I", 32, 48)
    struct.pack_into(reader.order + form, trimmed, table, 0)
    struct.pack_into(reader.order + "HH", trimmed, count, 0, 0)
    return bytes(trimmed)
