"""The image's tar: the same octets each time, with code that starts fast."""

from __future__ import annotations

import io
import os
import py_compile
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.fakes.elf_files import make_elf
from weave_cli.errors import HostProblem
from weave_cli.images.collect import FileTree
from weave_cli.images.tarball import find_cached_code, tar_pieces


def _tar(tree: FileTree) -> bytes:
    return b"".join(tar_pieces(tree, lambda done, total: None))


def _open(data: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(data))


def _tree(*files: Path) -> FileTree:
    tree = FileTree()
    for file in files:
        tree.add(file)
    return tree


def test_same_files_give_the_same_octets_whatever_their_times(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    before = _tar(_tree(one, two))
    os.utime(one, (1, 1))
    assert _tar(_tree(two, one)) == before
    two.write_text("3")
    assert _tar(_tree(one, two)) != before


def test_all_belongs_to_root_and_has_no_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    members = _open(_tar(_tree(file))).getmembers()
    assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, 0)}
    assert {"tmp", "weavedb", "etc/passwd", str(file)[1:]} <= {member.name for member in members}


def test_links_come_before_files_so_that_none_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "a-link").symlink_to("real")
    with _open(_tar(_tree(tmp_path / "a-link"))) as tar:
        names = [member.name for member in tar.getmembers()]
        link = tar.getmember(str(tmp_path / "a-link")[1:])
    assert (link.type, link.linkname) == (tarfile.SYMTYPE, "real")
    assert names.index(link.name) < names.index(str(tmp_path / "real")[1:])


def test_programs_stay_executable_and_lose_debug_data(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(make_elf())
    program.chmod(0o4750)
    with _open(_tar(_tree(program))) as tar:
        member = tar.getmember(str(program)[1:])
    assert member.mode == 0o755
    assert member.size < program.stat().st_size


@pytest.mark.parametrize("has_cache", [True, False])
def test_compiled_code_is_taken_without_a_look_at_the_source(tmp_path: Path, has_cache: bool) -> None:
    """Times in an image mean nothing: code that Python would check against them would be compiled again."""
    source = tmp_path / "module.py"
    source.write_text("print('first')")
    if has_cache:
        py_compile.compile(str(source), doraise=True)
    unpacked = tmp_path / "unpacked"
    with _open(_tar(_tree(source))) as tar:
        tar.extractall(unpacked, filter="data")
    copy = unpacked / str(source)[1:]
    copy.write_text("print('second')")
    script = f"import sys; sys.path.insert(0, {str(copy.parent)!r}); import module"
    done = subprocess.run([sys.executable, "-IB", "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "first\n"


def test_compiled_code_of_an_older_source_is_not_used(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text("value = 1")
    py_compile.compile(str(source), doraise=True)
    assert find_cached_code(source, source.stat()) is not None
    source.write_text("value = 22")
    assert find_cached_code(source, source.stat()) is None


def test_what_only_looks_like_python_goes_uncompiled(tmp_path: Path) -> None:
    source = tmp_path / "template.py"
    source.write_text("{% not python %}")
    with _open(_tar(_tree(source))) as tar:
        assert not any(member.name.endswith(".pyc") for member in tar.getmembers())


def test_file_that_vanishes_meanwhile_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    tree = _tree(file)
    file.unlink()
    with pytest.raises(HostProblem, match="No such file") as caught:
        _tar(tree)
    assert "weave setup" in str(caught.value.hint)


def test_large_trees_come_in_pieces_and_progress_is_told(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).write_bytes(os.urandom(1 << 20))
    told: list[tuple[int, int]] = []
    tree = _tree(*tmp_path.iterdir())
    pieces = list(tar_pieces(tree, lambda done, total: told.append((done, total))))
    assert len(pieces) >= 3
    assert told == [(1, 3), (2, 3), (3, 3)]
