"""Gob streams: what Go's encoder wrote, what ours writes, and what must not get through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors.load import load
from weave_cli.errors import LocalProtocolError
from weave_cli.router.wire.gob_decode import MAX_ELEMENTS, GobDecoder, decode_stream
from weave_cli.router.wire.gob_encode import GobEncoder, encode_int, encode_stream, encode_uint
from weave_cli.router.wire.gob_types import (
    BOOL,
    BYTES,
    INT,
    STRING,
    UINT,
    Basic,
    GobError,
    GobType,
    MapOf,
    SliceOf,
    StructOf,
)

INNER = StructOf("inner", (("A", UINT), ("B", STRING)))
SAMPLE = StructOf(
    "sample",
    (
        ("U", UINT),
        ("I", INT),
        ("S", STRING),
        ("B", BYTES),
        ("F", BOOL),
        ("L", SliceOf(UINT)),
        ("N", INNER),
        ("M", MapOf(STRING, UINT)),
        ("P", INNER),
        ("Lst", SliceOf(INNER)),
    ),
    optional=frozenset({"M", "P"}),
)
KEY = StructOf("key", (("Name", UINT), ("UID", UINT)))

TYPES: dict[str, tuple[GobType, ...]] = {
    "uint64": (UINT,),
    "int64": (INT,),
    "bool": (BOOL,),
    "string": (STRING,),
    "[]byte": (BYTES,),
    "[]uint64": (SliceOf(UINT),),
    "[]string": (SliceOf(STRING),),
    "map[string]string": (MapOf(STRING, STRING),),
    "map[uint64]string": (MapOf(UINT, STRING),),
    "sample{} (all zero)": (SAMPLE,),
    "sample": (SAMPLE,),
    "sample with M = {} (non-nil)": (SAMPLE,),
    "sample with P -> zero inner": (SAMPLE,),
    "map[key]inner": (MapOf(KEY, INNER),),
    "one encoder: string, uint64, []byte": (STRING, UINT, BYTES),
    'one encoder: inner{1,"x"}, inner{} (type is described only once)': (INNER, INNER),
}
VECTORS = load("gob-basics")["vectors"]


def python_value(kind: GobType, raw: Any) -> Any:
    """What the vector's JSON says, as our decoder gives it."""
    match kind:
        case StructOf():
            return {
                name: None
                if name in kind.optional and name not in raw
                else python_value(inner, raw.get(name, _zero(inner)))
                for name, inner in kind.fields
            }
        case SliceOf(element):
            return [python_value(element, one) for one in raw]
        case MapOf(key, element):
            if isinstance(key, StructOf):
                return [(python_value(key, one["key"]), python_value(element, one["value"])) for one in raw]
            return {
                int(name) if key is UINT else name: python_value(element, one) for name, one in raw.items()
            }
        case _ if kind is BYTES:
            return bytes.fromhex(raw)
    return raw


def _zero(kind: GobType) -> Any:
    if isinstance(kind, SliceOf):
        return []
    if isinstance(kind, MapOf | StructOf):
        return {}
    return {BOOL: False, INT: 0, UINT: 0, STRING: "", BYTES: ""}[kind]


def expected_of(vector: dict[str, Any]) -> tuple[Any, ...]:
    kinds = TYPES[vector["go_type"]]
    raws = vector["decoded"] if vector["go_type"].startswith("one encoder") else [vector["decoded"]]
    return tuple(python_value(kind, raw) for kind, raw in zip(kinds, raws, strict=True))


def definition(type_id: int, body: str) -> bytes:
    """A message that defines a type; body is the hex of its wireType struct."""
    content = encode_int(-type_id) + bytes.fromhex(body)
    return encode_uint(len(content)) + content


def value_of(type_id: int, body: bytes) -> bytes:
    content = encode_int(type_id) + body
    return encode_uint(len(content)) + content


def slice_type(type_id: int, element: int) -> bytes:
    return definition(type_id, f"0201 02 {encode_int(type_id).hex()} 00 01 {encode_int(element).hex()} 00 00")


def struct_type(type_id: int, *fields: tuple[str, int]) -> bytes:
    listed = b"".join(
        b"\1" + encode_uint(len(name)) + name.encode() + b"\1" + encode_int(inner) + b"\0"
        for name, inner in fields
    )
    common = b"\1\1\1x\1" + encode_int(type_id) + b"\0"
    body = b"\3" + common + b"\1" + encode_uint(len(fields)) + listed + b"\0\0"
    return definition(type_id, body.hex())


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if vector["go_type"] != "float64"],
    ids=lambda vector: f"{vector['name']}-{vector['hex'][:24]}",
)
def test_what_go_wrote_is_read_and_written_back(vector: dict[str, Any]) -> None:
    kinds, expected = TYPES[vector["go_type"]], expected_of(vector)
    assert decode_stream(bytes.fromhex(vector["hex"]), *kinds) == expected
    written = encode_stream(*zip(kinds, expected, strict=True))
    assert decode_stream(written, *kinds) == expected
    # Ids and the order of definitions are the writer's business; the values must be Go's, octet for octet.
    if all(not isinstance(kind, SliceOf | MapOf | StructOf) for kind in kinds):
        assert written.hex() == vector["hex"]
    else:
        assert last_message(written) == last_message(bytes.fromhex(vector["hex"]))


def last_message(stream: bytes) -> bytes:
    """The content of a stream's last message, behind its type id."""
    at, content = 0, b""
    while at < len(stream):
        first = stream[at]
        width = 256 - first if first >= 128 else 0
        size = int.from_bytes(stream[at + 1 : at + 1 + width], "big") if width else first
        at += 1 + width
        content, at = stream[at : at + size], at + size
    return content[1:] if content[0] < 128 else content[1 + 256 - content[0] :]


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["go_type"] == "float64"], ids=lambda one: one["hex"]
)
def test_field_of_a_type_that_we_do_not_know_is_skipped(vector: dict[str, Any]) -> None:
    number = bytes.fromhex(vector["hex"])[3:]
    stream = struct_type(66, ("Ratio", 4), ("A", 3)) + value_of(66, b"\1" + number + b"\1\7\0")
    assert decode_stream(stream, INNER) == ({"A": 7, "B": ""},)


def test_skipped_fields_may_be_of_any_shape() -> None:
    wide = StructOf(
        "inner",
        (
            ("Old", SliceOf(INNER)),
            ("A", UINT),
            ("More", MapOf(STRING, SliceOf(BYTES))),
            ("B", STRING),
            ("Deep", StructOf("deep", (("Inner", INNER), ("Flag", BOOL), ("Sign", INT)))),
        ),
    )
    stream = encode_stream(
        (
            wide,
            {
                "Old": [{"A": 1, "B": "x"}, {}],
                "A": 5,
                "More": {"k": [b"\1", b""]},
                "B": "kept",
                "Deep": {"Inner": {"A": 9}, "Flag": True, "Sign": -4},
            },
        )
    )
    assert decode_stream(stream, INNER) == ({"A": 5, "B": "kept"},)


def test_each_type_is_defined_once_in_a_stream() -> None:
    first = StructOf("first", (("X", INNER),))
    second = StructOf("second", (("Y", INNER), ("Z", SliceOf(INNER))))
    encoder = GobEncoder()
    stream = encoder.encode(first, {"X": {"A": 1}}) + encoder.encode(second, {"Y": {"A": 2}, "Z": [{"A": 3}]})
    assert stream.count(b"inner") == 1
    assert decode_stream(stream, first, second) == (
        {"X": {"A": 1, "B": ""}},
        {"Y": {"A": 2, "B": ""}, "Z": [{"A": 3, "B": ""}]},
    )


def test_absent_and_empty_stay_apart_for_optional_fields() -> None:
    for given_map in (None, {}, {"m": 1}):
        (value,) = decode_stream(encode_stream((SAMPLE, {"M": given_map})), SAMPLE)
        assert value["M"] == given_map


@pytest.mark.parametrize("number", [-1, 1 << 64])
def test_number_that_does_not_fit_is_our_mistake(number: int) -> None:
    with pytest.raises(LocalProtocolError, match=str(number)):
        encode_uint(number)


def values(kind: GobType) -> st.SearchStrategy[Any]:
    match kind:
        case StructOf():
            return st.fixed_dictionaries(
                {
                    name: st.none() | values(inner) if name in kind.optional else values(inner)
                    for name, inner in kind.fields
                }
            )
        case SliceOf(element):
            return st.lists(values(element), max_size=4)
        case MapOf(StructOf() as key, element):
            return st.lists(st.tuples(values(key), values(element)), max_size=4)
        case MapOf(key, element):
            return st.dictionaries(values(key), values(element), max_size=4)
    return {
        BOOL: st.booleans(),
        INT: st.integers(-(1 << 63), (1 << 63) - 1),
        UINT: st.integers(0, (1 << 64) - 1),
        STRING: st.binary(max_size=9).map(lambda octets: octets.decode("utf-8", "surrogateescape")),
        BYTES: st.binary(max_size=9),
    }[kind]


@settings(max_examples=150, deadline=None)
@given(value=values(SAMPLE), more=values(SliceOf(INNER)))
def test_any_value_comes_back(value: dict[str, Any], more: list[Any]) -> None:
    stream = encode_stream((SAMPLE, value), (SliceOf(INNER), more), (SAMPLE, value))
    assert decode_stream(stream, SAMPLE, SliceOf(INNER), SAMPLE) == (value, more, value)


@settings(max_examples=300, deadline=None)
def types(depth: int = 3) -> st.SearchStrategy[GobType]:
    """Types of any shape that the encoding has."""
    basic: st.SearchStrategy[GobType] = st.sampled_from([BOOL, INT, UINT, BYTES, STRING])
    if not depth:
        return basic
    inner = st.deferred(lambda: types(depth - 1))
    fields = st.lists(st.tuples(st.sampled_from("ABCDEFGH"), inner), min_size=1, unique_by=lambda one: one[0])
    keys: st.SearchStrategy[GobType] = st.sampled_from([STRING, UINT, KEY])
    return st.one_of(
        basic,
        st.builds(SliceOf, inner),
        st.builds(MapOf, keys, inner),
        st.builds(StructOf, st.sampled_from(["one", "two"]), fields.map(tuple)),
    )


@given(st.data(), types(), types())
def test_any_value_of_any_type_comes_back(data: st.DataObject, first: GobType, second: GobType) -> None:
    items = [(kind, data.draw(values(kind))) for kind in (first, second, first)]
    assert decode_stream(encode_stream(*items), first, second, first) == tuple(value for _, value in items)


@given(data=st.binary(max_size=80), pick=st.integers(0, len(VECTORS) - 1), place=st.integers(0, 10_000))
def test_any_octets_are_a_value_or_a_gob_error(data: bytes, pick: int, place: int) -> None:
    recorded = bytearray.fromhex(VECTORS[pick]["hex"])
    cut = bytes(recorded[: place % len(recorded)])
    recorded[place % len(recorded)] = data[0] if data else 0xFF
    for octets in (data, bytes(recorded), cut, cut + data):
        for kind in (SAMPLE, MapOf(STRING, STRING), SliceOf(INNER), UINT, BYTES):
            try:
                decode_stream(octets, kind)
            except GobError as problem:
                assert str(problem).startswith("gob: ")


HUGE = b"\xf8" + b"\xff" * 8

BOMBS = {
    "message of 2**64 octets": HUGE,
    "slice of 2**64 numbers": slice_type(66, 3) + value_of(66, b"\0" + HUGE),
    "string of 2**64 octets": value_of(6, b"\0" + HUGE),
    "map of 2**64 pairs": definition(66, "0401 02 ff84 00 01 0c 01 0c 00 00") + value_of(66, b"\0" + HUGE),
    "struct of 2**64 fields": definition(66, "03 01 01 01 78 01 ff84 00 01" + HUGE.hex()),
    "field number beyond 2**64": struct_type(66, ("A", 3)) + value_of(66, HUGE * 3),
    "slice whose element is itself": slice_type(66, 66) + value_of(66, b"\0" + b"\1" * 5000),
    "struct whose field is itself": struct_type(66, ("A", 66)) + value_of(66, b"\1" * 5000),
    "skipped field whose type is itself": struct_type(66, ("Z", 67))
    + slice_type(67, 67)
    + value_of(66, b"\1" * 5000),
    "field of a type that nobody defined": struct_type(66, ("Z", 99)) + value_of(66, b"\1\1\0"),
    "type defined twice": slice_type(66, 3) + slice_type(66, 3) + value_of(66, b"\0\0"),
    "reserved type defined": slice_type(17, 3),
    "array": definition(66, "0101 02 ff84 00 01 06 01 04 00 00"),
    "more elements than anybody sends": slice_type(66, 3)
    + value_of(66, b"\0" + encode_uint(MAX_ELEMENTS + 1) + bytes(MAX_ELEMENTS + 1)),
    "more skipped elements than anybody sends": struct_type(66, ("Z", 67))
    + slice_type(67, 3)
    + value_of(66, b"\1" + encode_uint(MAX_ELEMENTS + 1) + bytes(MAX_ELEMENTS + 1) + b"\0"),
    "two values for one": encode_stream((UINT, 1), (UINT, 2)),
    "value longer than its message": b"\x03\x06\x00\xfe\x01\x00",
    "value shorter than its message": b"\x05\x06\x00\x07\x07\x07",
    "definition and no value": slice_type(66, 3),
}


@pytest.mark.parametrize("octets", BOMBS.values(), ids=BOMBS.keys())
@pytest.mark.parametrize("kind", [INNER, SliceOf(UINT), MapOf(STRING, STRING), STRING])
def test_bomb_is_refused_at_once(octets: bytes, kind: GobType) -> None:
    with pytest.raises(GobError):
        decode_stream(octets, kind)


def test_types_are_counted_with_the_elements() -> None:
    listed = encode_uint(MAX_ELEMENTS - 1) + bytes(MAX_ELEMENTS - 1)
    value = value_of(66, b"\0" + listed)
    assert len(decode_stream(slice_type(66, 3) + value, SliceOf(UINT))[0]) == MAX_ELEMENTS - 1
    with pytest.raises(GobError, match="more than"):
        decode_stream(slice_type(66, 3) + slice_type(67, 3) + value, SliceOf(UINT))


def test_elements_are_counted_over_the_whole_stream() -> None:
    """Many lists of many lists cost as much memory as one long list."""
    inner_count = 1000
    inner = encode_uint(inner_count) + bytes(inner_count)
    count = MAX_ELEMENTS // inner_count + 1
    stream = slice_type(66, 67) + slice_type(67, 3) + value_of(66, b"\0" + encode_uint(count) + inner * count)
    with pytest.raises(GobError, match="elements"):
        decode_stream(stream, SliceOf(SliceOf(UINT)))


def test_types_may_be_known_before_the_octets_that_use_them() -> None:
    sample = {"U": 7}
    octets = encode_stream((SAMPLE, sample))
    first = GobDecoder(octets)
    expected = first.decode(SAMPLE)
    again = GobEncoder()
    both = again.encode(SAMPLE, sample), again.encode(SAMPLE, sample)
    alone = both[1]
    definitions = both[0].removesuffix(alone)
    known = GobDecoder(definitions)
    known.read_definitions()
    assert known.at_end
    for _ in range(2):
        assert known.begin(alone).decode(SAMPLE) == expected
    with pytest.raises(GobError, match="value where definitions are due"):
        GobDecoder(both[0]).read_definitions()
    with pytest.raises(GobError):
        GobDecoder(alone).decode(SAMPLE)


def test_layout_of_a_senders_type_is_compared_field_by_field() -> None:
    pair = StructOf("pair", (("A", UINT), ("B", STRING)))
    decoder = GobDecoder(encode_stream((SliceOf(pair), [])))
    decoder.decode(SliceOf(pair))
    ids = [number for number in range(60, 70) if decoder.sends_just(number, SliceOf(pair))]
    assert len(ids) == 1
    for other in (
        StructOf("pair", (("B", STRING), ("A", UINT))),
        StructOf("pair", (("A", UINT),)),
        StructOf("pair", (("A", UINT), ("B", BYTES))),
    ):
        assert not decoder.sends_just(ids[0], SliceOf(other))
    assert decoder.sends_just(Basic.UINT.value, UINT) and not decoder.sends_just(Basic.UINT.value, INT)
