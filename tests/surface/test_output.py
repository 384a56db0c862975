"""The promise to programs: every kind has a schema, the page tells of it, and nothing goes that was told."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest

import weave_cli
from tests.documents import SCHEMAS, list_kinds
from weave_cli.commands.tree import COMMANDS, PLUMBING, weave
from weave_cli.error_codes import Code, ExitStatus, NoticeCode
from weave_cli.output import reference

pytestmark = pytest.mark.surface

_ROOT = Path(__file__).parents[2]
_PACKAGE = Path(weave_cli.__file__).parent
_PROMISED = Path(__file__).with_name("promised-v1.txt")

#: Chosen by a table rather than named where the answer is given.
_CHOSEN = {"Targets", "Connections", "Peers", "Names", "AddressShares", "Topology"}


def test_every_kind_has_a_schema_and_every_schema_a_kind() -> None:
    assert _kinds_in_code() | _CHOSEN == list_kinds()


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_schema_promises_every_key_that_it_names(path: Path) -> None:
    schema = json.loads(path.read_text())
    assert schema["title"] == path.stem
    assert schema["description"] and (path.stem == "envelope" or schema["$comment"])
    for part in _objects(schema):
        assert part["required"] == list(part["properties"])


def test_page_is_current() -> None:
    assert (_ROOT / "docs" / "output.md").read_text() == reference.render(SCHEMAS), "run: make reference"


def test_nothing_goes_that_was_promised() -> None:
    """Lines are added to that file, and none is ever taken out while the output is weave/v1."""
    promised = _PROMISED.read_text().splitlines()
    kept = list(reference.list_promises(SCHEMAS))
    assert [line for line in promised if line not in kept] == [], "programs rely on it"
    assert [line for line in kept if line not in promised] == [], f"add these to {_PROMISED.name}"


@pytest.mark.parametrize("name", [*COMMANDS, *PLUMBING])
def test_every_command_can_answer_programs(name: str) -> None:
    command = weave.get_command(click.Context(weave), name)
    assert command is not None
    is_ours = not command.context_settings.get("ignore_unknown_options")
    spellings = [set(parameter.opts) for parameter in command.params]
    assert ({"-o", "--output"} in spellings) == is_ours, "words for docker are not to be mistaken for ours"
    assert {"-o", "--output"} in [set(parameter.opts) for parameter in weave.params]


@pytest.mark.parametrize("code", [*Code, *NoticeCode], ids=repr)
def test_every_code_is_used(code: Code | NoticeCode) -> None:
    used = re.compile(rf"\b{type(code).__name__}\.{code.name}\b")
    places = [
        path
        for path in _PACKAGE.rglob("*.py")
        if path.name != "error_codes.py" and used.search(path.read_text())
    ]
    assert places


def test_codes_and_statuses_are_told_apart() -> None:
    for codes in (Code, NoticeCode):
        assert len({code.meaning for code in codes}) == len(codes)
    assert len({status.meaning for status in ExitStatus}) == len(ExitStatus)


def test_exit_statuses_have_names() -> None:
    """No bare number ends a command."""
    wrong = []
    for module, node in _nodes("commands", "operations", "containers"):
        match node:
            case ast.Call(func=ast.Attribute(attr="exit"), args=[ast.Constant(value=int(number))]) if number:
                wrong.append(f"{module}: exit({number})")
            case ast.Assign(
                targets=[ast.Name(id="exit_status") | ast.Attribute(attr="exit_status")],
                value=ast.Constant(value=number),
            ):
                wrong.append(f"{module}: exit_status = {number!r}")
    assert wrong == []


def _kinds_in_code() -> set[str]:
    found = {"Done", "Error"}
    for _, node in _nodes("commands", "output"):
        match node:
            case ast.Call(func=ast.Attribute(attr="answer"), args=[ast.Constant(value=str(kind)), *_]):
                found.add(kind)
    return found


def _nodes(*rooms: str) -> list[tuple[str, ast.AST]]:
    return [
        (str(path.relative_to(_PACKAGE)), node)
        for room in rooms
        for path in sorted((_PACKAGE / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
    ]


def _objects(schema: Any) -> list[dict[str, Any]]:
    """The parts of a schema that are objects with keys."""
    if isinstance(schema, list):
        return [part for one in schema for part in _objects(one)]
    if not isinstance(schema, dict):
        return []
    inner = [part for one in schema.values() for part in _objects(one)]
    return [schema, *inner] if "properties" in schema and "type" in schema else inner
