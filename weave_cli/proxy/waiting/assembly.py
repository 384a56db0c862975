"""A dozen machine instructions that two kinds of processor have alike (pure): a program is written once.

Registers hold 64 bits and have names; a processor's room says which of its own they are, and how each
instruction is written. Jumps and addresses of data are labels until all is known. Knows no program.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import Final, NewType

Label = NewType("Label", str)


class Register(IntEnum):
    """All that there are: kept over system calls on both processors."""

    R0 = 0
    R1 = 1
    R2 = 2
    R3 = 3
    R4 = 4
    R5 = 5
    R6 = 6
    R7 = 7


#: A system call takes no more arguments than these.
MOST_ARGUMENTS: Final = 4

Argument = Register | Label | int


class Condition(Enum):
    """What a jump may depend on, of a register and a number."""

    EQUAL = "equal"
    UNEQUAL = "unequal"
    LESS = "less"
    """Both with their sign."""


class Processor(ABC):
    """Takes instructions one by one, and gives the octets of them all."""

    #: Numbers of the system calls, by name.
    calls: Mapping[str, int]
    #: The processor's number in an ELF header.
    elf_machine: int

    def __init__(self, base: int) -> None:
        """base: the address at which the first octet will lie."""
        self._base = base
        self._code = bytearray()
        self._places: dict[Label, int] = {}
        self._addresses: list[tuple[int, Label]] = []
        self._jumps: list[tuple[int, Label]] = []

    def finish(self) -> bytes:
        """The program; raises KeyError for a label that is nowhere."""
        for at, label in self._addresses:
            self._patch_address(at, self._base + self._places[label])
        for at, label in self._jumps:
            self._patch_jump(at, self._places[label] - at)
        return bytes(self._code)

    def label(self, label: Label) -> None:
        """What follows is called so."""
        if label in self._places:
            raise ValueError(f"two places are called {label}")
        self._places[label] = len(self._code)

    def octets(self, label: Label, content: bytes) -> None:
        """Data, at an address that both processors can read words from."""
        self._code += bytes(-len(self._code) % 8)
        self.label(label)
        self._code += content

    def address(self, target: Register, label: Label) -> None:
        """target = where the label is"""
        self._addresses.append((len(self._code), label))
        self.constant(target, 0)

    def jump(self, label: Label) -> None:
        self._jumps.append((len(self._code), label))
        self._emit_jump()

    def jump_if(self, register: Register, condition: Condition, number: int, label: Label) -> None:
        """number: 0 to 4095, or a negative one that is not less than -4095."""
        self._emit_comparison(register, number)
        self._jumps.append((len(self._code), label))
        self._emit_conditional_jump(condition)

    def call(self, name: str, *arguments: Argument, result: Register | None = None) -> None:
        """A system call; result: its value, or minus the number of an error."""
        if len(arguments) > MOST_ARGUMENTS:
            raise ValueError(f"{name}: more than {MOST_ARGUMENTS} arguments")
        for position, argument in enumerate(arguments):
            self._emit_argument(position, argument)
        self._emit_call(self.calls[name], result)

    @abstractmethod
    def constant(self, target: Register, value: int) -> None:
        """target = value; always as long as for the largest value, since addresses are put in later"""

    @abstractmethod
    def move(self, target: Register, source: Register) -> None:
        """target = source"""

    @abstractmethod
    def stack_pointer(self, target: Register) -> None:
        """target = where the stack ends"""

    @abstractmethod
    def reserve(self, pages: int) -> None:
        """Lengthen the stack by so many times 4096 octets."""

    @abstractmethod
    def add(self, target: Register, number: int) -> None:
        """target += number, which is between -4095 and 4095"""

    @abstractmethod
    def load(self, target: Register, at: Register) -> None:
        """target = the eight octets there"""

    @abstractmethod
    def load_octet(self, target: Register, at: Register) -> None:
        """target = the octet there"""

    @abstractmethod
    def store_octet(self, source: Register, at: Register) -> None:
        """Write the lowest octet of source there."""

    @abstractmethod
    def _emit_jump(self) -> None: ...

    @abstractmethod
    def _emit_comparison(self, register: Register, number: int) -> None: ...

    @abstractmethod
    def _emit_conditional_jump(self, condition: Condition) -> None: ...

    @abstractmethod
    def _emit_argument(self, position: int, argument: Argument) -> None: ...

    @abstractmethod
    def _emit_call(self, number: int, result: Register | None) -> None: ...

    @abstractmethod
    def _patch_address(self, at: int, address: int) -> None: ...

    @abstractmethod
    def _patch_jump(self, at: int, distance: int) -> None:
        """distance: from the first octet of the jump."""
