"""The tree of the image: links are kept as links, and no file lies behind one."""

from __future__ import annotations

from pathlib import Path

import pytest

from weave_cli.errors import HostProblem
from weave_cli.images import collect, installation
from weave_cli.images.collect import FileTree, collect_tree
from weave_cli.images.libraries import Found


def test_plain_file_stays_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "directory" / "file"
    file.parent.mkdir()
    file.write_text("")
    tree = FileTree()
    assert tree.add(file) == file
    assert (tree.files, tree.links) == ({file}, {})


def test_every_link_on_the_way_is_kept(tmp_path: Path) -> None:
    """As /sbin/iptables on Debian: a directory's link, one to alternatives, one to the program."""
    (tmp_path / "usr" / "sbin").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    program = tmp_path / "usr" / "sbin" / "multi"
    program.write_text("")
    (tmp_path / "sbin").symlink_to("usr/sbin")
    (tmp_path / "etc" / "iptables").symlink_to(tmp_path / "usr" / "sbin" / "multi")
    (tmp_path / "usr" / "sbin" / "iptables").symlink_to("../../etc/iptables")
    tree = FileTree()
    assert tree.add(tmp_path / "sbin" / "iptables") == program
    assert tree.files == {program}
    assert tree.links == {
        tmp_path / "sbin": "usr/sbin",
        tmp_path / "usr" / "sbin" / "iptables": "../../etc/iptables",
        tmp_path / "etc" / "iptables": str(program),
    }


def test_dots_behind_a_link_lead_up_from_where_it_ends(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    file = tmp_path / "real" / "file"
    file.write_text("")
    (tmp_path / "short").symlink_to("real/deep")
    assert FileTree().add(tmp_path / "short" / ".." / "file") == file


@pytest.fixture
def no_iptables(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are of Python alone; not every machine that runs them has iptables."""
    monkeypatch.setattr(installation, "find_host_programs", list)


@pytest.mark.usefixtures("no_iptables")
def test_tree_holds_interpreter_library_packages_and_ourselves() -> None:
    import aiohttp
    import multidict

    tree = collect_tree()
    python = installation.find_interpreter().resolve()
    for file in (__import__("asyncio").__file__, aiohttp.__file__, multidict.__file__, collect.__file__):
        assert Path(str(file)).resolve() in tree.files
    assert python in tree.files
    assert tree.links[Path("/weave/bin/python")] == str(python)
    assert not any("pytest" in path.parts or path.suffix == ".pyc" for path in tree.files)
    assert not any(path.is_symlink() for path in tree.files)


@pytest.mark.usefixtures("no_iptables")
def test_interpreter_without_its_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    python = installation.find_interpreter().resolve()
    lacking = Found(paths=frozenset(), missing={"libnowhere.so.1": python})
    monkeypatch.setattr(collect, "find_libraries", lambda *_: lacking)
    with pytest.raises(HostProblem, match=r"libnowhere\.so\.1"):
        collect_tree()


@pytest.mark.usefixtures("no_iptables")
def test_module_that_lacks_a_library_is_of_no_use_here_either(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Found(paths=frozenset(), missing={"libnowhere.so.1": Path("/usr/lib/python3/rare.so")})
    monkeypatch.setattr(collect, "find_libraries", lambda *_: lacking)
    assert collect_tree().files
