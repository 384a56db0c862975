"""What goes into the image, for the many ways in which Python and packages are installed."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from weave_cli.errors import HostProblem
from weave_cli.images import installation, recipe
from weave_cli.images.installation import (
    find_distributions,
    find_files,
    find_host_programs,
    find_interpreter,
    find_record,
    find_standard_library,
    parse_requirements,
    python_path,
    read_facts,
)


def _distribution(root: Path, kind: str, texts: dict[str, str]) -> metadata.Distribution:
    directory = root / f"Some_Thing-1.{kind}-info"
    directory.mkdir(parents=True)
    name = "METADATA" if kind == "dist" else "PKG-INFO"
    for file, text in {name: "Name: Some-Thing\nVersion: 1\n", **texts}.items():
        (directory / file).write_text(text)
    return metadata.PathDistribution(directory)


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def _names(root: Path, distribution: metadata.Distribution) -> set[str]:
    return {str(path.relative_to(root)) for path in find_files(distribution)}


def test_requirements_without_extras_by_their_normal_names() -> None:
    lines = [
        "aiohttp>=3.9",
        "Charset_Normalizer (<4,>=2)",
        "zope.interface",
        'pywin32>=304; sys_platform == "win32"',
        "brotli; extra == 'speedups'",
        'aiodns ; (sys_platform == "linux") and extra=="speedups"',
    ]
    assert parse_requirements(lines) == ["aiohttp", "charset-normalizer", "zope-interface", "pywin32"]


def test_requirements_of_requirements_come_along_and_tools_of_developers_do_not() -> None:
    names = {one.name.lower() for one in find_distributions()}
    assert {"aiohttp", "multidict", "docker", "urllib3", "pyroute2"} <= names
    assert not {"pytest", "mypy", "weave-cli"} & names


def test_facts_are_what_the_metadata_says() -> None:
    for distribution in find_distributions():
        facts = read_facts(distribution)
        assert (facts.name, facts.version) == (distribution.name, distribution.version)
        assert facts.requirements == (distribution.requires or [])
        listed = [one for one in distribution.files or () if one.name == "RECORD"]
        record = find_record(distribution, facts)
        assert record == (Path(str(distribution.locate_file(listed[0]))) if listed else None)


def test_older_packages_have_requirements_in_a_file_of_their_own(tmp_path: Path) -> None:
    facts = read_facts(_distribution(tmp_path, "egg", {"requires.txt": "six\n\n[extra]\nyaml\n"}))
    assert parse_requirements(facts.requirements) == ["six"]
    assert find_record(_distribution(tmp_path / "x", "egg", {}), facts) is None


def test_source_tree_without_installation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_OURSELVES", "weave-cli-that-nobody-installed")
    with pytest.raises(HostProblem) as caught:
        find_distributions()
    assert "pip install" in str(caught.value.hint)


def test_listed_files_are_taken_but_for_programs_tests_and_headers(tmp_path: Path) -> None:
    record = ["some/__init__.py", "some/fast.so", "some/fast.pyx", "some/tests/test_it.py", "../../bin/some"]
    _touch(tmp_path, *record[:4])
    distribution = _distribution(tmp_path, "dist", {"RECORD": "".join(f"{name},,\n" for name in record)})
    assert _names(tmp_path, distribution) == {"some/__init__.py", "some/fast.so"}


def test_installation_may_lie_below_a_directory_called_tests(tmp_path: Path) -> None:
    root = tmp_path / "tests" / "site-packages"
    _touch(root, "some/__init__.py")
    distribution = _distribution(root, "dist", {"RECORD": "some/__init__.py,,\n"})
    assert _names(root, distribution) == {"some/__init__.py"}


def test_packages_of_debian_are_found_by_their_modules(tmp_path: Path) -> None:
    """They list no files; directories among them are no files either."""
    _touch(
        tmp_path, "some/__init__.py", "some/sub/deep.py", "_some.cpython-311-x86_64-linux-gnu.so", "other.py"
    )
    distribution = _distribution(tmp_path, "egg", {"top_level.txt": "some\n_some\n"})
    assert _names(tmp_path, distribution) == {
        "some/__init__.py",
        "some/sub/deep.py",
        "_some.cpython-311-x86_64-linux-gnu.so",
    }


def test_module_of_one_file_without_any_list_goes_by_its_name(tmp_path: Path) -> None:
    _touch(tmp_path, "Some_Thing.py")
    assert _names(tmp_path, _distribution(tmp_path, "egg", {})) == {"Some_Thing.py"}


def test_standard_library_comes_with_extension_modules_and_without_its_tests() -> None:
    files = list(find_standard_library())
    assert Path(os.__file__) in files
    assert any(path.suffix == ".so" for path in files)
    unwanted = {"test", "tkinter", "idlelib", "ensurepip", "site-packages", "dist-packages", "__pycache__"}
    assert not any(unwanted & set(path.parts[-3:]) for path in files)


def test_interpreter_behind_a_virtual_environment_is_found() -> None:
    path = find_interpreter().resolve()
    assert path.is_relative_to(Path(sys.base_prefix).resolve())


def test_interpreter_that_went_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_base_executable", "/nowhere/python3")
    with pytest.raises(HostProblem, match="/nowhere/python3 is gone"):
        find_interpreter()


def test_other_systems_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(HostProblem, match="darwin") as caught:
        find_interpreter()
    assert caught.value.hint == "Run weave with CPython on Linux."


def test_our_own_package_comes_first_on_the_path() -> None:
    path = python_path(find_distributions())
    assert path[0] == Path(installation.__file__).parents[2]
    assert len(set(path)) == len(path)


def test_missing_iptables_is_said_with_the_command_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_PROGRAM_PATH", "/nowhere")
    with pytest.raises(HostProblem) as caught:
        find_host_programs()
    assert "apt-get install iptables" in str(caught.value.hint)


def test_content_changes_with_any_source_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source.py"
    source.write_text("1")
    monkeypatch.setattr(installation, "find_sources", lambda: [source])
    monkeypatch.setattr(installation, "find_host_programs", list)
    monkeypatch.setattr(recipe, "system_directories", list)
    before = recipe.content_id()
    assert recipe.content_id() == before
    source.write_text("12")
    assert recipe.content_id() != before
