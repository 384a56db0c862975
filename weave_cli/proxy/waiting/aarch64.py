"""The instructions of `assembly` as a 64-bit ARM processor reads them (pure).

Names and encodings are those of the Arm Architecture Reference Manual, C6; system calls those of Linux's
asm-generic/unistd.h. Each instruction is one word.
"""

from __future__ import annotations

import struct
from typing import Final

from weave_cli.proxy.waiting.assembly import Argument, Condition, Processor, Register

_FIRST_REGISTER: Final = 19  # x19 to x26: a system call changes x0 only
_SCRATCH: Final = 9
_CALL_NUMBER: Final = 8
_SP_OR_ZERO: Final = 31

_CONDITIONS: Final = {Condition.EQUAL: 0, Condition.UNEQUAL: 1, Condition.LESS: 11}

_B: Final = 0x14000000
_B_COND: Final = 0x54000000


class Aarch64(Processor):
    elf_machine = 183
    calls = {  # noqa: RUF012 - never changed
        "faccessat": 48,
        "openat": 56,
        "close": 57,
        "read": 63,
        "write": 64,
        "exit_group": 94,
        "nanosleep": 101,
        "execve": 221,
    }

    def constant(self, target: Register, value: int) -> None:
        self._emit_constant(_own(target), value)

    def move(self, target: Register, source: Register) -> None:
        self._emit_move(_own(target), _own(source))

    def stack_pointer(self, target: Register) -> None:
        self._emit(0x91000000 | _SP_OR_ZERO << 5 | _own(target))  # add target, sp, #0

    def reserve(self, pages: int) -> None:
        self._emit(0xD1400000 | pages << 10 | _SP_OR_ZERO << 5 | _SP_OR_ZERO)  # sub sp, sp, #pages, lsl #12

    def add(self, target: Register, number: int) -> None:
        operation = 0x91000000 if number >= 0 else 0xD1000000  # add or sub, immediate
        self._emit(operation | abs(number) << 10 | _own(target) << 5 | _own(target))

    def load(self, target: Register, at: Register) -> None:
        self._emit(0xF9400000 | _own(at) << 5 | _own(target))  # ldr x, [x]

    def load_octet(self, target: Register, at: Register) -> None:
        self._emit(0x39400000 | _own(at) << 5 | _own(target))  # ldrb w, [x]

    def store_octet(self, source: Register, at: Register) -> None:
        self._emit(0x39000000 | _own(at) << 5 | _own(source))  # strb w, [x]

    def _emit(self, word: int) -> None:
        self._code += struct.pack("<I", word)

    def _emit_constant(self, target: int, value: int) -> None:
        """movz, and movk for the other three quarters"""
        for quarter in range(4):
            operation = 0xF2800000 if quarter else 0xD2800000
            self._emit(operation | quarter << 21 | (value >> 16 * quarter & 0xFFFF) << 5 | target)

    def _emit_move(self, target: int, source: int) -> None:
        self._emit(0xAA000000 | source << 16 | _SP_OR_ZERO << 5 | target)  # orr target, xzr, source

    def _emit_jump(self) -> None:
        self._emit(_B)

    def _emit_comparison(self, register: Register, number: int) -> None:
        self._emit_constant(_SCRATCH, number)
        self._emit(0xEB000000 | _SCRATCH << 16 | _own(register) << 5 | _SP_OR_ZERO)  # cmp register, scratch

    def _emit_conditional_jump(self, condition: Condition) -> None:
        self._emit(_B_COND | _CONDITIONS[condition])

    def _emit_argument(self, position: int, argument: Argument) -> None:
        if isinstance(argument, str):
            self._addresses.append((len(self._code), argument))
            self._emit_constant(position, 0)
        elif isinstance(argument, Register):
            self._emit_move(position, _own(argument))
        else:
            self._emit_constant(position, argument)

    def _emit_call(self, number: int, result: Register | None) -> None:
        self._emit_constant(_CALL_NUMBER, number)
        self._emit(0xD4000001)  # svc #0
        if result is not None:
            self._emit_move(_own(result), 0)

    def _patch_address(self, at: int, address: int) -> None:
        for quarter in range(4):
            place = at + 4 * quarter
            self._change(place, self._word(place) & ~(0xFFFF << 5) | (address >> 16 * quarter & 0xFFFF) << 5)

    def _patch_jump(self, at: int, distance: int) -> None:
        """Distances are words, counted from the jump itself."""
        word = self._word(at)
        words = distance // 4
        self._change(at, word | (words & 0x3FFFFFF if word == _B else (words & 0x7FFFF) << 5))

    def _word(self, at: int) -> int:
        (word,) = struct.unpack_from("<I", self._code, at)
        return int(word)

    def _change(self, at: int, word: int) -> None:
        struct.pack_into("<I", self._code, at, word)


def _own(register: Register) -> int:
    return _FIRST_REGISTER + register
