"""The types of Go's gob encoding that the mesh protocol uses, as values. Knows no octets.

Specification mesh, appendix A. Python values of these types: int, bool, str (UTF-8, undecodable octets kept
by surrogate escapes), bytes, list, dict, and for structs a dict with the Go field names as keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from weave_cli.errors import RemoteProtocolError


class GobError(RemoteProtocolError):
    """Octets that are no gob stream, or not one of the type that was asked for."""


class Basic(Enum):
    """Types without parts; the value is Go's fixed type id."""

    BOOL = 1
    INT = 2
    UINT = 3
    BYTES = 5
    STRING = 6


BOOL: Final = Basic.BOOL
INT: Final = Basic.INT
UINT: Final = Basic.UINT
BYTES: Final = Basic.BYTES
STRING: Final = Basic.STRING


@dataclass(frozen=True, slots=True)
class SliceOf:
    """A list of elements of one type."""

    element: GobType


@dataclass(frozen=True, slots=True)
class MapOf:
    """A dict; None is Go's nil map. With structs as keys, which cannot be keys of a dict: a list of pairs."""

    key: GobType
    element: GobType


@dataclass(frozen=True, slots=True)
class StructOf:
    """A struct of named fields.

    Fields in `optional` keep "absent" (None) and "empty" apart, as pointers and maps do in Go
    (specification mesh, appendix A.1); all others are their zero value when absent.
    """

    name: str
    fields: tuple[tuple[str, GobType], ...]
    optional: frozenset[str] = frozenset()


GobType = Basic | SliceOf | MapOf | StructOf

#: The first id that we give to a type of ours, and the lowest that anybody may (appendix A.2).
FIRST_USER_ID: Final = 65
LOWEST_USER_ID: Final = 64
