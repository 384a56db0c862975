"""DNS queries as values: the little of RFC 1035 and 6891 that an answer depends on. Pure.

header: id, flags, number of questions, answers, authorities, additionals; 2 octets each
question: name, type (2), class (2); name: labels of a length octet and 1..63 octets, end 00
record: name, type (2), class (2), TTL (4), length (2), data; the class of an OPT is a size
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

HEADER_LENGTH: Final = 12

# Flags of the header, and the field of the kind of query
QR: Final = 0x8000
OPCODE: Final = 0x7800
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
CD: Final = 0x0010

TYPE_A: Final = 1
TYPE_PTR: Final = 12
TYPE_OPT: Final = 41
TYPE_DS: Final = 43
CLASS_IN: Final = 1

#: Octets that every client takes by UDP.
PLAIN_LIMIT: Final = 512

_LONGEST_NAME: Final = 255
_LONGEST_LABEL: Final = 63
_POINTER: Final = 0xC0

_COUNTS: Final = struct.Struct("!4H")
_TYPE_CLASS: Final = struct.Struct("!HH")
_RECORD: Final = struct.Struct("!HHIH")


class MalformedQuery(ValueError):
    """Octets that are no query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The first question, and what the rest of the packet says about the answer."""

    question: bytes
    """The octets of the first question; empty when there is none."""
    labels: tuple[bytes, ...]
    """The labels of its name, in the case they came in."""
    record_type: int
    question_count: int
    udp_limit: int
    """Octets that the client takes by UDP."""

    @property
    def wire_name(self) -> bytes:
        """The name of the question in the form of the wire."""
        return self.question[: -_TYPE_CLASS.size]


def parse_query(packet: bytes) -> Query:
    """The query in a packet of at least HEADER_LENGTH octets; raises MalformedQuery."""
    try:
        questions, answers, authorities, additionals = _COUNTS.unpack_from(packet, 4)
        at, question, record_type = HEADER_LENGTH, b"", 0
        labels: tuple[bytes, ...] = ()
        if questions:
            labels, end = _read_labels(packet, at)
            record_type, _ = _TYPE_CLASS.unpack_from(packet, end)
            at = end + _TYPE_CLASS.size
            question = packet[HEADER_LENGTH:at]
        for _ in range(questions - 1):
            at = _skip_name(packet, at) + _TYPE_CLASS.size
            if at > len(packet):
                raise MalformedQuery("question cut short")
        limit = _find_limit(packet, at, answers + authorities + additionals)
    except (IndexError, struct.error) as problem:
        raise MalformedQuery("packet cut short") from problem
    return Query(
        question=question,
        labels=labels,
        record_type=record_type,
        question_count=questions,
        udp_limit=limit,
    )


def encode_name(name: str) -> bytes | None:
    """An absolute name in the form of the wire; None when the name does not fit into it."""
    labels = [label.encode("utf-8", "surrogateescape") for label in name.removesuffix(".").split(".")]
    if not all(1 <= len(label) <= _LONGEST_LABEL for label in labels):
        return None
    wire = b"".join(len(label).to_bytes(1, "big") + label for label in labels) + b"\0"
    return wire if len(wire) <= _LONGEST_NAME else None


def _read_labels(packet: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """The labels of the name at an offset, and the offset behind it; pointers are not for a first name."""
    labels: list[bytes] = []
    start = at
    while length := packet[at]:
        if length > _LONGEST_LABEL:
            raise MalformedQuery("label too long, or a pointer where nothing can be pointed at")
        at += 1 + length
        labels.append(packet[at - length : at])
    if at + 1 - start > _LONGEST_NAME:
        raise MalformedQuery("name too long")
    return tuple(labels), at + 1


def _skip_name(packet: bytes, at: int) -> int:
    """The offset behind a name that nobody asks for."""
    while length := packet[at]:
        if length & _POINTER == _POINTER:
            return at + 2
        if length > _LONGEST_LABEL:
            raise MalformedQuery("label of an unknown kind")
        at += 1 + length
    return at + 1


def _find_limit(packet: bytes, at: int, records: int) -> int:
    """Walk the records behind the questions for the size that an OPT tells."""
    limit = PLAIN_LIMIT
    for _ in range(records):
        at = _skip_name(packet, at)
        record_type, record_class, _, length = _RECORD.unpack_from(packet, at)
        at += _RECORD.size + length
        if at > len(packet):
            raise MalformedQuery("record cut short")
        if record_type == TYPE_OPT:
            limit = record_class
    return limit
