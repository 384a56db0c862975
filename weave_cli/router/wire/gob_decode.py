"""Gob streams into Python values (specification mesh, appendix A). Pure and strict: anything may come in."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, Final

from weave_cli.router.wire.gob_types import (
    LOWEST_USER_ID,
    Basic,
    GobError,
    GobType,
    MapOf,
    SliceOf,
    StructOf,
)

#: Types nest a few levels in this protocol; deeper ones are an attack.
_MAX_DEPTH: Final = 32
#: Types, and elements of slices and maps, in one stream. A zero struct takes one octet on the wire and
#: hundreds in memory: the length of a message does not bound what it costs. Honest ones stay far below.
MAX_ELEMENTS: Final = 1 << 18

#: Definitions of more octets are nobody's honest ones, and are not kept.
_LONGEST_REMEMBERED: Final = 1024


@dataclass(slots=True)
class _SentType:
    """A type as the sender described it: its kind, and the ids of its parts."""

    kind: str
    parts: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


class GobDecoder:
    """Reads the values of one stream; what types mean is the sender's business until then."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)
        self._types: dict[int, _SentType] = {}
        self._elements = 0

    def begin(self, data: bytes) -> GobDecoder:
        """A decoder of other octets for which all that is defined so far is defined as well."""
        other = GobDecoder(data)
        other._types = dict(self._types)
        other._elements = self._elements
        return other

    def read_definitions(self) -> None:
        """All that is left are definitions; raises GobError when it is something else."""
        while not self.at_end:
            self._next(None)

    def sends_just(self, type_id: int, kind: GobType) -> bool:
        """Does the sender's type have our fields, all of them in our order, and no others?"""
        if isinstance(kind, Basic):
            return type_id == kind.value
        sent = self._types.get(type_id)
        match kind, sent:
            case SliceOf(element), _SentType(kind="slice"):
                return self.sends_just(sent.parts[0], element)
            case StructOf(fields=fields), _SentType(kind="struct"):
                return sent.names == [name for name, _ in fields] and all(
                    self.sends_just(part, inner) for part, (_, inner) in zip(sent.parts, fields, strict=True)
                )
        return False

    @property
    def at(self) -> int:
        """How many octets have been read."""
        return self._at

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._data)

    def decode(self, kind: GobType) -> Any:
        """The next value, read as `kind`; raises GobError."""
        while True:
            is_value, value = self._next(kind)
            if is_value:
                return value

    def _next(self, kind: GobType | None) -> tuple[bool, Any]:
        """The next message: whether it is a value, and that; no kind: it must be a definition."""
        try:
            size = self._uint()
            end = self._at + size
            if not size or end > len(self._data):
                raise GobError("gob: message longer than what came")
            self._end = end
            type_id, value = self._int(), None
            if type_id < 0:
                self._read_definition(-type_id)
            elif kind is None:
                raise GobError("gob: value where definitions are due")
            else:
                value = self._top_value(type_id, kind)
            if self._at != end:
                raise GobError("gob: message does not end with its value")
            self._end = len(self._data)
            return type_id >= 0, value
        except (IndexError, RecursionError) as problem:
            raise GobError("gob: message ends too early") from problem

    def _top_value(self, type_id: int, kind: GobType) -> Any:
        sent = self._types.get(type_id)
        if (sent is None or sent.kind != "struct") and self._uint() != 0:
            raise GobError("gob: value that is no struct lacks its zero octet")
        return self._value(type_id, kind, 0)

    # Numbers and octets

    def _uint(self) -> int:
        if self._at >= self._end:
            raise GobError("gob: message ends too early")
        first = self._data[self._at]
        self._at += 1
        if first < 128:
            return first
        count = 256 - first
        if count > 8:
            raise GobError(f"gob: number of {count} octets")
        return int.from_bytes(self._take(count), "big")

    def _int(self) -> int:
        value = self._uint()
        return ~(value >> 1) if value & 1 else value >> 1

    def _take(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        if self._at > self._end:
            raise GobError("gob: message ends too early")
        return self._data[start : self._at]

    def _count(self) -> int:
        """A number of elements, each of which takes an octet at least."""
        count = self._uint()
        if count > self._end - self._at:
            raise GobError(f"gob: {count} elements announced in {self._end - self._at} octets")
        self._spend(count)
        return count

    def _spend(self, count: int) -> None:
        self._elements += count
        if self._elements > MAX_ELEMENTS:
            raise GobError(f"gob: more than {MAX_ELEMENTS} types and elements")

    # Values

    def _value(self, type_id: int, kind: GobType, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise GobError("gob: types nest too deep")
        if isinstance(kind, Basic):
            if type_id != kind.value:
                raise GobError(f"gob: type {type_id} came where {kind.name.lower()} is due")
            return self._basic(kind)
        sent = self._types.get(type_id)
        match kind, sent:
            case StructOf(), _SentType(kind="struct"):
                return self._struct(sent, kind, depth)
            case SliceOf(element), _SentType(kind="slice"):
                inner = sent.parts[0]
                return [self._value(inner, element, depth + 1) for _ in range(self._count())]
            case MapOf(key, element), _SentType(kind="map"):
                key_id, inner = sent.parts
                pairs = [
                    (self._value(key_id, key, depth + 1), self._value(inner, element, depth + 1))
                    for _ in range(self._count())
                ]
                return pairs if isinstance(key, StructOf) else dict(pairs)
        raise GobError(f"gob: type {type_id} came where {type(kind).__name__} is due")

    def _basic(self, kind: Basic) -> Any:
        match kind:
            case Basic.UINT:
                return self._uint()
            case Basic.STRING:
                return self._take(self._uint()).decode("utf-8", "surrogateescape")
            case Basic.BYTES:
                return self._take(self._uint())
            case Basic.INT:
                return self._int()
            case Basic.BOOL:
                return bool(self._uint())

    def _struct(self, sent: _SentType, kind: StructOf, depth: int) -> dict[str, Any]:
        value = {name: None if name in kind.optional else zero_of(inner) for name, inner in kind.fields}
        known = dict(kind.fields)
        number = -1
        while delta := self._uint():
            number += delta
            if number >= len(sent.parts):
                raise GobError(f"gob: field {number} of a struct with {len(sent.parts)} fields")
            name = sent.names[number]
            if name in known:
                value[name] = self._value(sent.parts[number], known[name], depth + 1)
            else:
                self._skip(sent.parts[number], depth + 1)
        return value

    def _skip(self, type_id: int, depth: int) -> None:
        """Pass over a field that we have no use for."""
        if depth > _MAX_DEPTH:
            raise GobError("gob: types nest too deep")
        sent = self._types.get(type_id)
        if sent is None:
            if type_id in (1, 2, 3, 4):
                self._uint()
            elif type_id in (5, 6):
                self._take(self._uint())
            else:
                raise GobError(f"gob: undefined type {type_id}")
        elif sent.kind == "struct":
            number = -1
            while delta := self._uint():
                number += delta
                if number >= len(sent.parts):
                    raise GobError(f"gob: field {number} of a struct with {len(sent.parts)} fields")
                self._skip(sent.parts[number], depth + 1)
        else:
            for _ in range(self._count()):
                for part in sent.parts:
                    self._skip(part, depth + 1)

    # Definitions

    def _read_definition(self, type_id: int) -> None:
        if type_id < LOWEST_USER_ID:
            raise GobError(f"gob: definition of the reserved type {type_id}")
        if type_id in self._types:
            raise GobError(f"gob: type {type_id} is defined twice")
        octets = self._data[self._at : self._end]
        read = _remembered_type if len(octets) <= _LONGEST_REMEMBERED else _read_type
        self._types[type_id], elements = read(octets)
        self._spend(1 + elements)
        self._at = self._end

    def read_type(self) -> _SentType:
        """A definition behind its type's id, which is all that there is."""
        choice = self._uint()
        match choice:
            case 2:
                sent = _SentType("slice", [self._described(("common", "int"))["1"]])
            case 3:
                described = self._described(("common", "fields"))
                names, parts = described["1"] or ([], [])
                sent = _SentType("struct", parts, names)
            case 4:
                described = self._described(("common", "int", "int"))
                sent = _SentType("map", [described["1"], described["2"]])
            case _:
                raise GobError(f"gob: definition of an unexpected kind ({choice})")
        if self._uint() != 0:
            raise GobError("gob: definition of two kinds at once")
        if self._at != self._end:
            raise GobError("gob: message does not end with its value")
        return sent

    @property
    def elements(self) -> int:
        """How many types and elements have been read."""
        return self._elements

    def _described(self, shapes: tuple[str, ...]) -> dict[str, Any]:
        """A descriptor struct (appendix A.2); keys are field numbers, absent ones zero."""
        found: dict[str, Any] = {str(number): 0 for number in range(len(shapes))}
        number = -1
        while delta := self._uint():
            number += delta
            if number >= len(shapes):
                raise GobError("gob: unknown field in a definition")
            match shapes[number]:
                case "common":
                    found["0"] = self._described(("string", "int"))
                case "string":
                    found[str(number)] = self._take(self._uint())
                case "int":
                    found[str(number)] = self._int()
                case "fields":
                    found[str(number)] = self._fields()
        return found

    def _fields(self) -> tuple[list[str], list[int]]:
        names, parts = [], []
        for _ in range(self._count()):
            one = self._described(("string", "int"))
            names.append((one["0"] or b"").decode("utf-8", "surrogateescape"))
            parts.append(one["1"])
        return names, parts


def _read_type(octets: bytes) -> tuple[_SentType, int]:
    """A definition, and how many elements it has."""
    decoder = GobDecoder(octets)
    try:
        return decoder.read_type(), decoder.elements
    except RecursionError as problem:
        raise GobError("gob: message ends too early") from problem


#: Programs define the same types in every stream.
_remembered_type = functools.lru_cache(512)(_read_type)


def zero_of(kind: GobType) -> Any:
    """What a field is that was not sent."""
    match kind:
        case Basic.BOOL:
            return False
        case Basic.INT | Basic.UINT:
            return 0
        case Basic.STRING:
            return ""
        case Basic.BYTES:
            return b""
        case SliceOf():
            return []
        case MapOf():
            return {}
        case StructOf():
            return {name: None if name in kind.optional else zero_of(inner) for name, inner in kind.fields}


def decode_stream(data: bytes, *kinds: GobType) -> tuple[Any, ...]:
    """Exactly these values and nothing behind them; raises GobError."""
    decoder = GobDecoder(data)
    values = tuple(decoder.decode(kind) for kind in kinds)
    if not decoder.at_end:
        raise GobError("gob: octets left behind the last value")
    return values
