"""What programs are promised, held against what a command wrote."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

#: A schema for each kind, and one for what is around them.
SCHEMAS: Final = Path(__file__).parents[1] / "docs" / "output-v1"

_ENVELOPE: Final = "envelope"


def read_document(text: str) -> dict[str, Any]:
    """The one document in `text`; fails unless it is exactly as the schemas have it, additions included.

    Programs have to bear additions, but those that we make are to be in the schema: from then on they are
    promised as well.
    """
    document: dict[str, Any] = json.loads(text)
    _validator(_ENVELOPE).validate(document)
    _validator(document["kind"]).validate(document["data"])
    assert (document["data"] is None) == (document["kind"] == "Error"), document
    return document


def list_kinds() -> set[str]:
    """All that have a schema."""
    return {path.stem for path in SCHEMAS.glob("*.json")} - {_ENVELOPE}


@cache
def _validator(name: str) -> Draft202012Validator:
    path = SCHEMAS / f"{name}.json"
    assert path.exists(), f"the kind {name} has no schema in {SCHEMAS}"
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(_closed(schema))


def _closed(schema: Any) -> Any:
    """The same, but for objects with keys: no others than those."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict):
        closed.setdefault("additionalProperties", False)
    return closed
