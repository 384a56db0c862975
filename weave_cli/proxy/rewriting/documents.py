"""JSON as Docker reads it (pure): names of fields are the same in whatever case, and a text may be a list.

Numbers keep their digits, and fields that nobody here knows stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

#: What a body holds. Functions here change it in place.
Document = dict[str, Any]


class Unreadable(ValueError):
    """A body, or a field of it, is not what Docker would take: it shall say so itself."""


def read_document(body: bytes) -> Document:
    """The object in a body; raises Unreadable when there is none."""
    try:
        found = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as problem:
        raise Unreadable(f"no JSON: {problem}") from None
    document: Document = _checked(found, dict, "the body")
    return document


def read_rows(body: bytes) -> list[Document]:
    """The list of objects in a body; raises Unreadable when there is none."""
    try:
        found = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as problem:
        raise Unreadable(f"no JSON: {problem}") from None
    return [_checked(one, dict, "a row") for one in _checked(found, list, "the body")]


def write_document(document: Any) -> bytes:
    return json.dumps(document).encode()


def get_field(document: Document, name: str) -> Any:
    """What is there, or None; of several spellings the exact one, else the last, as Docker reads them."""
    if name in document:
        return document[name]
    found = None
    for key, value in document.items():
        if key.lower() == name.lower():
            found = value
    return found


def set_field(document: Document, name: str, value: Any) -> None:
    """In place of all spellings of the name."""
    for key in [key for key in document if key.lower() == name.lower()]:
        del document[key]
    document[name] = value


def get_text(document: Document, name: str) -> str:
    """Empty when it is absent or null; raises Unreadable for another kind of value."""
    found = get_field(document, name)
    return "" if found is None else str(_checked(found, str, name))


def get_object(document: Document, name: str) -> Document:
    """The very object that is there, or a new one that is no part of the document."""
    found = get_field(document, name)
    there: Document = {} if found is None else _checked(found, dict, name)
    return there


def get_texts(document: Document, name: str) -> list[str] | None:
    """A list of texts, or one text for a list with it; None when absent or null."""
    found = get_field(document, name)
    if found is None:
        return None
    if isinstance(found, str):
        return [found]
    return [_checked(one, str, name) for one in _checked(found, list, name)]


def get_rows(document: Document, name: str) -> list[Document]:
    """A list of objects, empty when absent or null; raises Unreadable for anything else."""
    found = get_field(document, name)
    return [] if found is None else [_checked(one, dict, name) for one in _checked(found, list, name)]


def find_variable(environment: Sequence[str], name: str) -> str | None:
    """The value of a variable among `NAME=value` lines."""
    prefix = f"{name}="
    return next((line.removeprefix(prefix) for line in environment if line.startswith(prefix)), None)


def _checked(found: Any, kind: type, name: str) -> Any:
    if not isinstance(found, kind):
        raise Unreadable(f"{name} is {type(found).__name__}")
    return found
