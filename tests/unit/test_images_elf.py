"""Reading and trimming ELF files: made ones of every form, this machine's own, and garbage."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.elf_files import DEBUG_DATA, make_elf
from weave_cli.images.elf import parse_elf, trim_elf


@pytest.mark.parametrize("is_wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_form_tells_what_it_needs(is_wide: bool, order: str) -> None:
    data = make_elf(
        needed=["libc.so.6", "libz.so.1"],
        runpath="$ORIGIN/../lib:/opt/lib",
        interpreter="/lib/ld.so.2",
        is_wide=is_wide,
        order=order,
        machine=183,
    )
    elf = parse_elf(data)
    assert elf is not None
    assert elf.kind == (2 if is_wide else 1, 183)
    assert elf.needed == ("libc.so.6", "libz.so.1")
    assert elf.search_path == ("$ORIGIN/../lib", "/opt/lib")
    assert elf.interpreter == "/lib/ld.so.2"


def test_rpath_counts_only_without_runpath() -> None:
    old, both = parse_elf(make_elf(rpath="/old")), parse_elf(make_elf(rpath="/old", runpath="/new"))
    assert old is not None and both is not None
    assert old.search_path == ("/old",)
    assert both.search_path == ("/new",)


def test_the_running_interpreter_is_understood() -> None:
    elf = parse_elf(Path(sys.executable).read_bytes())
    assert elf is not None
    assert elf.kind[0] == (2 if sys.maxsize > 2**32 else 1)
    assert elf.interpreter is None or Path(elf.interpreter).exists()


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"/* GNU ld script */ INPUT(-lc)"])
def test_other_files_are_no_elf_files(data: bytes) -> None:
    assert parse_elf(data) is None
    assert trim_elf(data) == data


@pytest.mark.parametrize("is_wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_trimming_loses_what_lies_behind_the_segments_and_nothing_else(is_wide: bool, order: str) -> None:
    data = make_elf(needed=["libc.so.6"], is_wide=is_wide, order=order)
    trimmed = trim_elf(data)
    assert len(trimmed) < data.index(DEBUG_DATA) + 1
    assert parse_elf(trimmed) == parse_elf(data)
    assert trim_elf(trimmed) == trimmed


def test_a_trimmed_program_runs(tmp_path: Path) -> None:
    program = shutil.which("true")
    assert program is not None
    copy = tmp_path / "trimmed"
    data = Path(program).resolve().read_bytes()
    copy.write_bytes(trim_elf(data))
    copy.chmod(0o755)
    assert copy.stat().st_size < len(data)
    assert subprocess.run([copy, "--any-argument"], check=False).returncode == 0


def test_numbers_beyond_all_bounds_are_damage() -> None:
    data = bytearray(make_elf())
    data[32:40] = b"\xff" * 8  # where the table of segments is
    assert parse_elf(bytes(data)) is None
    assert trim_elf(bytes(data)) == data


def test_segments_that_end_within_the_header_are_damage() -> None:
    data = bytearray(make_elf())
    for segment in (64, 64 + 56):
        data[segment + 8 : segment + 40] = bytes(32)  # offset, addresses, size
    assert trim_elf(bytes(data)) == data


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_is_noticed_or_harmless(data: st.DataObject) -> None:
    sound = bytearray(make_elf(needed=["libc.so.6"], interpreter="/lib/ld.so.2"))
    for _ in range(data.draw(st.integers(1, 8))):
        sound[data.draw(st.integers(4, len(sound) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(sound[: data.draw(st.integers(0, len(sound)))])
    parse_elf(damaged)
    assert len(trim_elf(damaged)) <= len(damaged)
