"""Finding shared objects as the dynamic loader does, among made files and on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.elf_files import make_elf
from weave_cli.images import installation, libraries
from weave_cli.images.elf import parse_elf
from weave_cli.images.libraries import expand_search_path, find_libraries, system_directories


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory where libraries are looked for."""
    directory = tmp_path / "system"
    directory.mkdir()
    monkeypatch.setattr(libraries, "system_directories", lambda: [directory])
    return directory


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_needs_of_needs_are_found(system: Path, tmp_path: Path) -> None:
    python = _write(tmp_path / "bin" / "python", make_elf(needed=["libone.so"]))
    one = _write(system / "libone.so", make_elf(needed=["libtwo.so"]))
    two = _write(system / "libtwo.so", make_elf(needed=["libone.so"]))
    _write(system / "libthree.so", make_elf())
    assert find_libraries([], python).paths == {one, two}


def test_own_search_path_comes_first(system: Path, tmp_path: Path) -> None:
    python = _write(tmp_path / "bin" / "python", make_elf())
    _write(system / "libone.so", make_elf())
    own = _write(tmp_path / "package.libs" / "libone.so", make_elf())
    module = _write(
        tmp_path / "package" / "module.so", make_elf(needed=["libone.so"], runpath="$ORIGIN/../package.libs")
    )
    assert find_libraries([module], python).paths == {own}


def test_libraries_of_another_machine_do_not_count(system: Path, tmp_path: Path) -> None:
    python = _write(tmp_path / "bin" / "python", make_elf(needed=["libone.so"]))
    _write(system / "libone.so", make_elf(machine=3, is_wide=False))
    found = find_libraries([], python)
    assert found.paths == frozenset()
    assert found.missing == {"libone.so": python}


def test_the_loader_and_what_is_opened_at_run_time_are_found(system: Path, tmp_path: Path) -> None:
    loader = _write(tmp_path / "ld.so", make_elf())
    end_of_threads = _write(system / "libgcc_s.so.1", make_elf())
    python = _write(tmp_path / "bin" / "python", make_elf(interpreter=str(loader)))
    assert find_libraries([], python).paths == {loader, end_of_threads}


def test_the_name_is_kept_and_the_link_followed(system: Path, tmp_path: Path) -> None:
    python = _write(tmp_path / "bin" / "python", make_elf(needed=["libone.so.1"]))
    _write(system / "libone.so.1.2", make_elf(needed=["libtwo.so"]))
    (system / "libone.so.1").symlink_to("libone.so.1.2")
    two = _write(system / "libtwo.so", make_elf())
    assert find_libraries([], python).paths == {system / "libone.so.1", two}


def test_search_paths_are_relative_to_the_file() -> None:
    elf = parse_elf(make_elf(runpath="$ORIGIN/../lib:${ORIGIN}:/opt/lib:relative:"))
    assert elf is not None
    assert expand_search_path(elf, Path("/home/x/bin")) == [
        Path("/home/x/lib"),
        Path("/home/x/bin"),
        Path("/opt/lib"),
    ]


def test_nothing_that_this_python_maps_is_forgotten() -> None:
    import _sqlite3
    import _ssl

    modules = [Path(module.__file__) for module in (_ssl, _sqlite3) if module.__file__ is not None]
    found = find_libraries(modules, installation.find_interpreter())
    real = {path.resolve() for path in found.paths} | {path.resolve() for path in modules}
    script = "import _ssl, _sqlite3; print(open('/proc/self/maps').read())"
    maps = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True)
    mapped = {line.split()[-1] for line in maps.stdout.splitlines() if ".so" in line}
    extensions = {str(path) for path in Path(sys.base_prefix).rglob("lib-dynload/*")}
    assert {Path(name) for name in mapped - extensions} <= real


def test_system_directories_are_real_and_named_once() -> None:
    directories = system_directories()
    assert directories
    assert all(path == path.resolve() and path.is_dir() for path in directories)
    assert len(set(directories)) == len(directories)
