"""The password comes out of its file as it went in, and out of no file that others can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from weave_cli.errors import UsageProblem
from weave_cli.password_file import read_password_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "password"
    made.touch(mode=0o600)
    return made


@pytest.mark.parametrize(
    ("octets", "password"),
    [
        (b"wEaVe", b"wEaVe"),
        (b"wEaVe\n", b"wEaVe"),
        (b"wEaVe\r\n", b"wEaVe"),
        (b"wEaVe\n\n", b"wEaVe\n"),
        (b" two words ", b" two words "),
        ("pässwörd ☃\n".encode(), "pässwörd ☃".encode()),
        (b"\xff\0\xfe", b"\xff\0\xfe"),
    ],
)
def test_password_is_what_the_file_holds_but_for_one_newline(
    file: Path, octets: bytes, password: bytes
) -> None:
    file.write_bytes(octets)
    assert read_password_file(str(file)) == password


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_file_that_is_open_to_others_is_refused_with_the_remedy(file: Path, mode: int) -> None:
    file.write_bytes(b"wEaVe")
    file.chmod(mode)
    with pytest.raises(UsageProblem) as refused:
        read_password_file(str(file))
    assert str(refused.value) == f"password file {file} is open to others (mode {mode:04o})"
    assert refused.value.hint == f"Make it its owner's alone: chmod 600 {file}"


@pytest.mark.parametrize("octets", [b"", b"\n", b"\r\n"])
def test_empty_file_is_refused(file: Path, octets: bytes) -> None:
    file.write_bytes(octets)
    with pytest.raises(UsageProblem, match="is empty"):
        read_password_file(str(file))


def test_file_that_is_no_password_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_bytes(bytes(100_000))
    with pytest.raises(UsageProblem, match="longer than"):
        read_password_file(str(file))
    with pytest.raises(UsageProblem, match=r"cannot read password file .*: No such file"):
        read_password_file(str(tmp_path / "absent"))
    with pytest.raises(UsageProblem, match=r"cannot read password file .*: Is a directory"):
        read_password_file(str(tmp_path))
