"""A program as a file that the kernel executes: no interpreter, no libraries, one segment (pure).

The format is that of the System V ABI. The segment can be read and executed, not written; the stack is not
executable.
"""

from __future__ import annotations

import struct
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.proxy.waiting.aarch64 import Aarch64
from weave_cli.proxy.waiting.assembly import Processor
from weave_cli.proxy.waiting.program import write_program
from weave_cli.proxy.waiting.x86_64 import X86

#: By the kernel's names.
PROCESSORS: Final[dict[str, type[Processor]]] = {"x86_64": X86, "aarch64": Aarch64}

_BASE: Final = 0x400000
#: The largest pages of an ARM kernel: no two segments may share one.
_ALIGNMENT: Final = 0x10000
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_IDENTITY: Final = b"\x7fELF\x02\x01\x01"  # 64 bits, lowest octet first, version 1
_EXECUTABLE, _LOAD, _STACK = 2, 1, 0x6474E551
_READ, _WRITE, _EXECUTE = 4, 2, 1


def make_waiting_program(machine: str) -> bytes:
    """The whole file for a processor by the kernel's name; raises HostProblem for one that is not known."""
    if machine not in PROCESSORS:
        raise HostProblem(
            f"the proxy has no waiting program for {machine} processors",
            hint=f"There is one for {' and '.join(PROCESSORS)}; use 'weave run' or the network plugin here.",
        )
    size = _HEADER.size + 2 * _SEGMENT.size
    processor = PROCESSORS[machine](_BASE + size)
    code = write_program(processor)
    header = _HEADER.pack(
        _IDENTITY, _EXECUTABLE, processor.elf_machine, 1, _BASE + size, _HEADER.size, 0, 0,
        _HEADER.size, _SEGMENT.size, 2, 0, 0, 0,
    )  # fmt: skip
    whole = size + len(code)
    text = _SEGMENT.pack(_LOAD, _READ | _EXECUTE, 0, _BASE, _BASE, whole, whole, _ALIGNMENT)
    stack = _SEGMENT.pack(_STACK, _READ | _WRITE, 0, 0, 0, 0, 0, 16)
    return header + text + stack + code
