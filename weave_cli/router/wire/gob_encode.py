"""Python values into gob streams (specification mesh, appendix A). Pure."""

from __future__ import annotations

from typing import Any, Final

from weave_cli.errors import LocalProtocolError
from weave_cli.router.wire.gob_types import FIRST_USER_ID, Basic, GobType, MapOf, SliceOf, StructOf


def encode_uint(value: int) -> bytes:
    """One octet below 128; else the negated count of octets, then the octets, big endian."""
    if 0 <= value < 128:
        return value.to_bytes(1, "big")
    if not 0 <= value < 1 << 64:
        raise LocalProtocolError(f"{value} is no unsigned 64-bit number")
    octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return (256 - len(octets)).to_bytes(1, "big") + octets


def encode_int(value: int) -> bytes:
    """Sign in the lowest bit, complement for negative numbers."""
    return encode_uint(value << 1 if value >= 0 else (~value << 1) | 1)


class GobEncoder:
    """One stream: each type is defined once, before its first value; ids count up from 65."""

    def __init__(self) -> None:
        self._ids: dict[GobType, int] = {}
        self._described: set[GobType] = set()

    def encode(self, kind: GobType, value: Any) -> bytes:
        """The messages of one value, definitions first."""
        parts: list[bytes] = []
        type_id = self.define(kind, parts)
        parts.append(_message(kind, type_id, value))
        return b"".join(parts)

    def define(self, kind: GobType, parts: list[bytes]) -> int:
        """The id of a type; what the reader does not know yet of it is added to parts, outer types first."""
        if isinstance(kind, Basic):
            return kind.value
        if kind in self._ids:
            return self._ids[kind]
        self._assign(kind)
        self._describe(kind, parts)
        return self._ids[kind]

    def _assign(self, kind: GobType) -> int:
        """Give ids to a type and its parts: a struct before its fields, a slice or map after its parts."""
        if isinstance(kind, Basic):
            return kind.value
        if kind not in self._ids:
            match kind:
                case StructOf():
                    self._ids[kind] = FIRST_USER_ID + len(self._ids)
                    for _, inner in kind.fields:
                        self._assign(inner)
                case SliceOf():
                    self._assign(kind.element)
                    self._ids[kind] = FIRST_USER_ID + len(self._ids)
                case MapOf():
                    self._assign(kind.key)
                    self._assign(kind.element)
                    self._ids[kind] = FIRST_USER_ID + len(self._ids)
        return self._ids[kind]

    def _describe(self, kind: GobType, parts: list[bytes]) -> None:
        if isinstance(kind, Basic) or kind in self._described:
            return
        self._described.add(kind)
        body = encode_int(-self._ids[kind]) + self._wire_type(kind)
        parts.append(encode_uint(len(body)) + body)
        match kind:
            case StructOf():
                inner = [field for _, field in kind.fields]
            case SliceOf():
                inner = [kind.element]
            case MapOf():
                inner = [kind.key, kind.element]
        for one in inner:
            self._describe(one, parts)

    def _wire_type(self, kind: SliceOf | MapOf | StructOf) -> bytes:
        """A wireType struct: exactly one of its fields, then the end mark."""
        type_id = encode_int(self._ids[kind])
        match kind:
            case SliceOf():
                return b"\2\1\2" + type_id + b"\0\1" + self._id_of(kind.element) + b"\0\0"
            case MapOf():
                ends = self._id_of(kind.key) + b"\1" + self._id_of(kind.element)
                return b"\4\1\2" + type_id + b"\0\1" + ends + b"\0\0"
            case StructOf():
                name = kind.name.encode()
                fields = b"".join(
                    b"\1" + encode_uint(len(field)) + field.encode() + b"\1" + self._id_of(inner) + b"\0"
                    for field, inner in kind.fields
                )
                common = b"\1\1" + encode_uint(len(name)) + name + b"\1" + type_id + b"\0"
                return b"\3" + common + b"\1" + encode_uint(len(kind.fields)) + fields + b"\0\0"

    def _id_of(self, kind: GobType) -> bytes:
        return encode_int(kind.value if isinstance(kind, Basic) else self._ids[kind])


def encode_stream(*items: tuple[GobType, Any]) -> bytes:
    """The values of one stream by one encoder."""
    if len(items) == 1:
        ((kind, value),) = items
        definitions, type_id = _begin_stream(kind)
        return definitions + _message(kind, type_id, value)
    encoder = GobEncoder()
    return b"".join(encoder.encode(kind, value) for kind, value in items)


def _begin_stream(kind: GobType) -> tuple[bytes, int]:
    """What a stream of one value begins with, and its type's id; most messages are such streams."""
    known = _BEGINNINGS.get(id(kind))
    if known is None:
        if len(_BEGINNINGS) >= _MOST_BEGINNINGS:
            _BEGINNINGS.clear()
        encoder, parts = GobEncoder(), list[bytes]()
        type_id = encoder.define(kind, parts)
        # The type itself is kept, so that no other can get its identity.
        known = _BEGINNINGS[id(kind)] = (b"".join(parts), type_id, kind)
    return known[0], known[1]


#: The program has fewer such types; only tests make more.
_MOST_BEGINNINGS: Final = 64
_BEGINNINGS: Final[dict[int, tuple[bytes, int, GobType]]] = {}


def _message(kind: GobType, type_id: int, value: Any) -> bytes:
    """One value as a message."""
    body = bytearray(encode_int(type_id))
    if not isinstance(kind, StructOf):
        body += b"\0"
    _append(body, kind, value)
    return encode_uint(len(body)) + bytes(body)


def _append(out: bytearray, kind: GobType, value: Any) -> None:
    match kind:
        case Basic.UINT:
            out += encode_uint(value)
        case Basic.BYTES:
            out += encode_uint(len(value))
            out += value
        case Basic.STRING:
            octets = value.encode("utf-8", "surrogateescape")
            out += encode_uint(len(octets))
            out += octets
        case Basic.INT:
            out += encode_int(value)
        case Basic.BOOL:
            out += b"\1" if value else b"\0"
        case StructOf():
            _append_struct(out, kind, value)
        case SliceOf(element):
            out += encode_uint(len(value))
            for one in value:
                _append(out, element, one)
        case MapOf(key_kind, element):
            out += encode_uint(len(value))
            for key, one in value.items() if isinstance(value, dict) else value:
                _append(out, key_kind, key)
                _append(out, element, one)


def _append_struct(out: bytearray, kind: StructOf, value: dict[str, Any]) -> None:
    last = -1
    for number, (name, inner) in enumerate(kind.fields):
        field = value.get(name)
        if field is None:
            if not isinstance(inner, StructOf) or name in kind.optional:
                continue
            field = {}  # a struct held by value is always written
        elif not field and not isinstance(inner, MapOf | StructOf) and name not in kind.optional:
            continue
        out += encode_uint(number - last)
        last = number
        _append(out, inner, field)
    out += b"\0"
