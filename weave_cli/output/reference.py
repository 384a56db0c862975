"""The page docs/output.md, made from the schemas and the table of errors.

    python -m weave_cli.output.reference docs/output-v1 docs/output.md

A test holds the page to what this makes, and another one the promise: what `list_promises` names never goes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from weave_cli.error_codes import Code, ExitStatus, NoticeCode

_ENVELOPE: Final = "envelope"

_HEAD: Final = """\
# Output for programs

Made by `make reference` out of `docs/output-v1/` and `weave_cli/error_codes.py`; do not edit it.

    weave -o json status            # before a command, for all of them
    weave status -o json            # or behind it; --output=json is the same

Exactly one JSON document is on stdout then, whether the command succeeds or fails, also when its words are
wrong or it is interrupted. Nothing that a program needs is on stderr. The exit status is the same as
without `-o json`. `weave run` and `weave dns-args` hand their words on to docker, so the option stands
before their names: `weave -o json run ...`. `weave COMMAND --help` is for people only.

    $ weave -o json status targets
    {
      "apiVersion": "weave/v1",
      "kind": "Targets",
      "data": {
        "targets": ["host2"]
      },
      "error": null,
      "notices": [],
      "noticeCodes": []
    }

What is told here is a promise for as long as `apiVersion` is `weave/v1`: keys, kinds, codes and exit
statuses may be added, so ignore those that you do not know; none is removed or changes its type or meaning.
Every key is always there; what does not exist is null. Texts called *for people* may change at any time.
"""


def render(directory: Path) -> str:
    """The whole page, as Markdown."""
    schemas = {path.stem: json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))}
    envelope = schemas.pop(_ENVELOPE)
    kinds = "".join(_kind(schema) for schema in schemas.values())
    statuses = "".join(f"| {status.value} | {status.meaning} |\n" for status in ExitStatus)
    codes = "".join(f"| `{code}` | {code.meaning} |\n" for code in Code)
    notices = "".join(f"| `{code}` | {code.meaning} |\n" for code in NoticeCode)
    return (
        f"{_HEAD}\n## Around every answer\n\n{_table(envelope)}"
        f"\n## Exit statuses\n\n| status | meaning |\n|---|---|\n{statuses}"
        "\n`weave run` passes on the exit status of a `docker run` that fails, such as 125.\n"
        f"\n## Codes of errors\n\n| code | meaning |\n|---|---|\n{codes}"
        f"\n## Codes of notices\n\n| code | meaning |\n|---|---|\n{notices}"
        f"\n## Kinds of data\n{kinds}"
    )


def list_promises(directory: Path) -> Iterator[str]:
    """Everything that programs may rely on, a line each."""
    for path in sorted(directory.glob("*.json")):
        schema = json.loads(path.read_text())
        yield f"kind {schema['title']}"
        for name, of, _ in _list_keys(schema):
            yield f"key {schema['title']} {name}: {of}"
    yield from (f"code {code}" for code in Code)
    yield from (f"notice {code}" for code in NoticeCode)
    yield from (f"status {status.value}" for status in ExitStatus)


def _kind(schema: dict[str, Any]) -> str:
    givers: str = schema["$comment"]  # of this kind: names of commands, or a sentence
    is_sentence = givers.startswith("every")
    commands = givers.capitalize() if is_sentence else f"`weave {givers.replace(', ', '`, `weave ')}`"
    table = _table(schema)
    return f"\n### {schema['title']}\n\n{commands}: {schema['description']}\n" + (
        f"\n{table}" if table else ""
    )


def _table(schema: dict[str, Any]) -> str:
    rows = "".join(
        f"| `{name}` | {of.replace('|', ' or ')} | {what} |\n" for name, of, what in _list_keys(schema)
    )
    return f"| key | type | meaning |\n|---|---|---|\n{rows}" if rows else ""


def _list_keys(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, type and meaning of each key; `[]` stands for the items of an array."""
    inner = next((one for one in schema.get("anyOf", ()) if one != {"type": "null"}), schema)
    if "items" in inner:
        yield from _list_keys(inner["items"], f"{prefix}[]")
    for name, child in inner.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        yield path, _type(child), child.get("description", "")
        yield from _list_keys(child, path)


def _type(schema: dict[str, Any]) -> str:
    """Such as `string`, `object|null`, `array of string`, or the values themselves."""
    if "anyOf" in schema:
        return "|".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return "|".join(f'"{value}"' for value in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    of = schema["type"]
    if of == "array":
        return f"array of {_type(schema['items'])}"
    return of if isinstance(of, str) else "|".join(of)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(render(Path(sys.argv[1])))
