"""The instructions of `assembly` as an x86-64 processor reads them (pure).

Names and encodings are those of the Intel 64 manual, volume 2; system calls those of Linux's syscall_64.tbl.
"""

from __future__ import annotations

import struct
from typing import Final

from weave_cli.proxy.waiting.assembly import Argument, Condition, Processor, Register

_RAX: Final = 0
_RSP: Final = 4
#: rbx, rbp, r12 to r15, r8, r9: a system call changes rax, rcx and r11 only.
_REGISTERS: Final = (3, 5, 12, 13, 14, 15, 8, 9)
#: rdi, rsi, rdx, r10
_ARGUMENTS: Final = (7, 6, 2, 10)

_JUMPS: Final = {Condition.EQUAL: 0x84, Condition.UNEQUAL: 0x85, Condition.LESS: 0x8C}


class X86(Processor):
    elf_machine = 62
    calls = {  # noqa: RUF012 - never changed
        "read": 0,
        "write": 1,
        "close": 3,
        "nanosleep": 35,
        "execve": 59,
        "exit_group": 231,
        "openat": 257,
        "faccessat": 269,
    }

    def constant(self, target: Register, value: int) -> None:
        self._emit_constant(_REGISTERS[target], value)

    def move(self, target: Register, source: Register) -> None:
        self._emit_move(_REGISTERS[target], _REGISTERS[source])

    def stack_pointer(self, target: Register) -> None:
        self._emit_move(_REGISTERS[target], _RSP)

    def reserve(self, pages: int) -> None:
        self._emit_arithmetic(5, _RSP, pages * 4096)  # sub

    def add(self, target: Register, number: int) -> None:
        self._emit_arithmetic(0, _REGISTERS[target], number)

    def load(self, target: Register, at: Register) -> None:
        self._emit_memory(b"\x8b", _REGISTERS[target], _REGISTERS[at])  # mov r64, m64

    def load_octet(self, target: Register, at: Register) -> None:
        self._emit_memory(b"\x0f\xb6", _REGISTERS[target], _REGISTERS[at])  # movzx r64, m8

    def store_octet(self, source: Register, at: Register) -> None:
        self._emit_memory(b"\x88", _REGISTERS[source], _REGISTERS[at])  # mov m8, r8

    def _emit_constant(self, target: int, value: int) -> None:
        """movabs target, value"""
        self._code += bytes((_rex(base=target), 0xB8 | target & 7)) + struct.pack("<q", value)

    def _emit_move(self, target: int, source: int) -> None:
        """mov target, source"""
        self._code += bytes((_rex(middle=source, base=target), 0x89, 0xC0 | (source & 7) << 3 | target & 7))

    def _emit_arithmetic(self, operation: int, target: int, number: int) -> None:
        """add (0), sub (5) or cmp (7) with a number of 32 bits"""
        self._code += bytes((_rex(base=target), 0x81, 0xC0 | operation << 3 | target & 7))
        self._code += struct.pack("<i", number)

    def _emit_memory(self, operation: bytes, register: int, at: int) -> None:
        """An operation with a register and what `at` points to, with a displacement of one zero octet."""
        self._code += bytes((_rex(middle=register, base=at),)) + operation
        self._code.append(0x40 | (register & 7) << 3 | at & 7)
        if at & 7 == _RSP:  # rsp and r12 stand for another octet, which says: that register and no index
            self._code.append(0x24)
        self._code.append(0)

    def _emit_jump(self) -> None:
        self._code += b"\xe9" + bytes(4)

    def _emit_comparison(self, register: Register, number: int) -> None:
        self._emit_arithmetic(7, _REGISTERS[register], number)

    def _emit_conditional_jump(self, condition: Condition) -> None:
        self._code += bytes((0x0F, _JUMPS[condition])) + bytes(4)

    def _emit_argument(self, position: int, argument: Argument) -> None:
        target = _ARGUMENTS[position]
        if isinstance(argument, str):
            self._addresses.append((len(self._code), argument))
            self._emit_constant(target, 0)
        elif isinstance(argument, Register):
            self._emit_move(target, _REGISTERS[argument])
        else:
            self._emit_constant(target, argument)

    def _emit_call(self, number: int, result: Register | None) -> None:
        self._emit_constant(_RAX, number)
        self._code += b"\x0f\x05"  # syscall
        if result is not None:
            self._emit_move(_REGISTERS[result], _RAX)

    def _patch_address(self, at: int, address: int) -> None:
        struct.pack_into("<q", self._code, at + 2, address)

    def _patch_jump(self, at: int, distance: int) -> None:
        """Distances count from the end of the jump, which has one octet more if it depends on something."""
        length = 5 if self._code[at] == 0xE9 else 6
        struct.pack_into("<i", self._code, at + length - 4, distance - length)


def _rex(*, middle: int = 0, base: int = 0) -> int:
    """The prefix for 64 bits, and for registers from r8 on."""
    return 0x48 | (middle >> 3) << 2 | base >> 3
