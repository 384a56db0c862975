"""The waiting program: its instructions for both processors, and the file that holds them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from weave_cli.errors import HostProblem
from weave_cli.images.elf import parse_elf
from weave_cli.proxy.waiting.aarch64 import Aarch64
from weave_cli.proxy.waiting.assembly import Condition, Label, Processor, Register
from weave_cli.proxy.waiting.executable import make_waiting_program
from weave_cli.proxy.waiting.place import place_waiting_program
from weave_cli.proxy.waiting.x86_64 import X86

R = Register
Write = Callable[[Processor], None]


def _loop(machine: Processor) -> None:
    machine.label(Label("here"))
    machine.jump(Label("here"))


def _back_if(condition: Condition) -> Write:
    def write(machine: Processor) -> None:
        machine.label(Label("here"))
        machine.jump_if(R.R2, condition, 47, Label("here"))

    return write


def _address(machine: Processor) -> None:
    machine.address(R.R3, Label("data"))
    machine.octets(Label("data"), b"")


#: As GNU objdump reads them.
@pytest.mark.parametrize(
    ("write", "text", "octets"),
    [
        (lambda m: m.constant(R.R0, -100), "movabs $-100,%rbx", "48bb9cffffffffffffff"),
        (lambda m: m.constant(R.R6, 1), "movabs $1,%r8", "49b80100000000000000"),
        (lambda m: m.move(R.R1, R.R2), "mov %r12,%rbp", "4c89e5"),
        (lambda m: m.move(R.R7, R.R0), "mov %rbx,%r9", "4989d9"),
        (lambda m: m.stack_pointer(R.R3), "mov %rsp,%r13", "4989e5"),
        (lambda m: m.reserve(3), "sub $0x3000,%rsp", "4881ec00300000"),
        (lambda m: m.add(R.R5, -1), "add $-1,%r15", "4981c7ffffffff"),
        (lambda m: m.load(R.R6, R.R1), "mov 0(%rbp),%r8", "4c8b4500"),
        (lambda m: m.load(R.R1, R.R2), "mov 0(%r12),%rbp", "498b6c2400"),
        (lambda m: m.load_octet(R.R4, R.R3), "movzbq 0(%r13),%r14", "4d0fb67500"),
        (lambda m: m.store_octet(R.R1, R.R2), "mov %bpl,0(%r12)", "49886c2400"),
        (_loop, "0: jmp 0b", "e9fbffffff"),
        (_back_if(Condition.EQUAL), "0: cmp $47,%r12; je 0b", "4981fc2f0000000f84f3ffffff"),
        (_back_if(Condition.UNEQUAL), "0: cmp $47,%r12; jne 0b", "4981fc2f0000000f85f3ffffff"),
        (_back_if(Condition.LESS), "0: cmp $47,%r12; jl 0b", "4981fc2f0000000f8cf3ffffff"),
        (_address, "movabs $0x400010,%r13", "49bd1000400000000000" + "00" * 6),
        (
            lambda m: m.call("close", R.R4, result=R.R6),
            "mov %r14,%rdi; movabs $3,%rax; syscall; mov %rax,%r8",
            "4c89f748b803000000000000000f054989c0",
        ),
    ],
)
def test_x86_64_instructions(write: Write, text: str, octets: str) -> None:
    machine = X86(0x400000)
    write(machine)
    assert machine.finish().hex() == octets, text


#: As words; GNU as makes the same of the text.
@pytest.mark.parametrize(
    ("write", "text", "words"),
    [
        (
            lambda m: m.constant(R.R0, -100),
            "movz x19,#0xff9c; movk x19,#0xffff,lsl #16; ... lsl #32; ... lsl #48",
            [0xD29FF393, 0xF2BFFFF3, 0xF2DFFFF3, 0xF2FFFFF3],
        ),
        (lambda m: m.move(R.R1, R.R2), "mov x20,x21", [0xAA1503F4]),
        (lambda m: m.stack_pointer(R.R3), "mov x22,sp", [0x910003F6]),
        (lambda m: m.reserve(3), "sub sp,sp,#3,lsl #12", [0xD1400FFF]),
        (lambda m: m.add(R.R5, -1), "sub x24,x24,#1", [0xD1000718]),
        (lambda m: m.add(R.R5, 16), "add x24,x24,#16", [0x91004318]),
        (lambda m: m.load(R.R6, R.R1), "ldr x25,[x20]", [0xF9400299]),
        (lambda m: m.load_octet(R.R4, R.R3), "ldrb w23,[x22]", [0x394002D7]),
        (lambda m: m.store_octet(R.R1, R.R2), "strb w20,[x21]", [0x390002B4]),
        (_loop, "0: b 0b", [0x14000000]),
        (
            _back_if(Condition.LESS),
            "0: mov x9,#47 (four words); cmp x21,x9; b.lt 0b",
            [0xD28005E9, 0xF2A00009, 0xF2C00009, 0xF2E00009, 0xEB0902BF, 0x54FFFF6B],
        ),
        (
            lambda m: m.call("close", R.R4, result=R.R6),
            "mov x0,x23; mov x8,#57 (four words); svc #0; mov x25,x0",
            [0xAA1703E0, 0xD2800728, 0xF2A00008, 0xF2C00008, 0xF2E00008, 0xD4000001, 0xAA0003F9],
        ),
    ],
)
def test_aarch64_instructions(write: Write, text: str, words: list[int]) -> None:
    machine = Aarch64(0x400000)
    write(machine)
    octets = machine.finish()
    assert [f"{word:08x}" for (word,) in struct.iter_unpack("<I", octets)] == [f"{w:08x}" for w in words], (
        text
    )


@pytest.mark.parametrize(("name", "machine"), [("x86_64", 62), ("aarch64", 183)])
def test_the_file_is_a_program_that_needs_nothing(name: str, machine: int) -> None:
    octets = make_waiting_program(name)
    found = parse_elf(octets)
    assert found is not None
    assert (found.kind, found.interpreter, found.needed) == ((2, machine), None, ())
    assert len(octets) < 4096
    assert octets == make_waiting_program(name)


def test_other_processors_are_named() -> None:
    with pytest.raises(HostProblem, match="for riscv64 processors"):
        make_waiting_program("riscv64")


def test_labels_are_found_once() -> None:
    machine = X86(0)
    machine.label(Label("a"))
    with pytest.raises(ValueError, match="two places"):
        machine.label(Label("a"))
    machine.jump(Label("nowhere"))
    with pytest.raises(KeyError):
        machine.finish()


def test_the_program_is_written_anew_without_leaving_anything(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("old")
    for _ in range(2):
        place_waiting_program(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    assert (tmp_path / "w").stat().st_mode & 0o777 == 0o755
    with pytest.raises(HostProblem, match="cannot write the waiting program"):
        place_waiting_program(tmp_path / "absent")
