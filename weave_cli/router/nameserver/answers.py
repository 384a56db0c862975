"""From the octets of a query to the octets of the answer (specification dns, section 4). Pure.

dnspython would take most of the time of an answer and 90 ms at the start of the program, so the few forms
that weaveDNS answers in are written here; the tests let dnspython judge them.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import repeat
from typing import Final, Protocol

from weave_cli.addresses import parse_address
from weave_cli.errors import UsageProblem
from weave_cli.router.nameserver.queries import (
    AA,
    CD,
    CLASS_IN,
    HEADER_LENGTH,
    OPCODE,
    QR,
    RA,
    RD,
    TC,
    TYPE_A,
    TYPE_DS,
    TYPE_PTR,
    MalformedQuery,
    Query,
    encode_name,
    parse_query,
)

_NOERROR: Final = 0
_FORMERR: Final = 1
_SERVFAIL: Final = 2
_NXDOMAIN: Final = 3
_NOTIMP: Final = 4

_REVERSE: Final = (b"in-addr", b"arpa")

_FLAGS: Final = struct.Struct("!H")
_COUNTS: Final = struct.Struct("!4H")
_RECORD_HEAD: Final = struct.Struct("!HHIH")

#: What a length of two octets can say, and what of it is left for the data of a UDP packet.
_LONGEST_MESSAGE: Final = 65535
_LONGEST_DATAGRAM: Final = 65507

#: A name with several addresses gets this many orders of them made ready, and each is used this often
#: before others are made: random enough to spread load, and hardly dearer than one fixed answer.
_ORDERS: Final = 16
_ROUNDS: Final = 8


class NameSource(Protocol):
    """What answers are made from; a NameRegistry, or a few names of a test."""

    def lookup(self, name: str) -> list[int]:
        """The addresses of an absolute name in any case of letters."""
        ...

    def reverse(self, address: int) -> str | None:
        """A host name of an address."""
        ...


class Unanswered(Enum):
    """What to do with a query that gets no answer here."""

    ASK_UPSTREAM = "ask upstream"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The answers to a question, without end: each without the two octets of the id, which go in front."""

    bodies: Iterator[bytes]
    size: int
    """Octets that are held at most, for a cache that wants to stay small."""


class Answerer:
    """weaveDNS's answers out of `names`, for one domain (absolute, with final dot); ttl in seconds."""

    def __init__(self, names: NameSource, *, domain: str, ttl: int, rng: random.Random) -> None:
        self._names = names
        self._domain = tuple(label.encode().lower() for label in domain.split(".") if label)
        self._ttl = ttl
        self._rng = rng

    def prepare(self, packet: bytes, *, is_limited: bool) -> Ready | Unanswered:
        """Answers to a query, for it and for all that have the same octets behind the id.

        `is_limited`: the answer goes by UDP and is cut to the size that the client takes (section 4.5).
        They hold as long as no name changes.
        """
        if len(packet) < HEADER_LENGTH:
            return Unanswered.IGNORE
        flags = _FLAGS.unpack_from(packet, 2)[0]
        if flags & QR:
            return Unanswered.IGNORE
        if flags & OPCODE:
            return _bare(flags, _NOTIMP)
        try:
            query = parse_query(packet)
        except MalformedQuery:
            return _bare(flags, _FORMERR)
        if not query.question_count:
            return _bare(flags, _SERVFAIL)
        return self._route(flags & (RD | CD), query, is_limited)

    def _route(self, flags: int, query: Query, is_limited: bool) -> Ready | Unanswered:
        """Choose the handler by name and type (section 4.1)."""
        name = tuple(label.lower() for label in query.labels)
        if query.record_type != TYPE_DS:
            if _is_below(name, self._domain):
                return self._local(flags, query, is_limited)
            if _is_below(name, _REVERSE):
                return self._reverse(flags, query)
        if len(name) == 1 and query.question_count == 1:
            return self._local(flags, query, is_limited)
        return Unanswered.ASK_UPSTREAM

    def _local(self, flags: int, query: Query, is_limited: bool) -> Ready:
        """Section 4.2."""
        addresses: list[int] = []
        if query.question_count == 1:
            labels = query.labels if len(query.labels) > 1 else (*query.labels, *self._domain)
            addresses = self._names.lookup("".join(f"{_label_text(label)}." for label in labels))
        if not addresses:
            return _fixed(_body(flags | RA, _NXDOMAIN, query.question))
        if query.record_type != TYPE_A:
            return _fixed(_body(flags | AA | RA, _NOERROR, query.question))
        head = query.wire_name + _RECORD_HEAD.pack(TYPE_A, CLASS_IN, self._ttl, 4)
        records = [head + address.to_bytes(4, "big") for address in addresses]
        if len(records) == 1:
            return _fixed(_body(flags | AA | RA, _NOERROR, query.question, records))
        limit = min(query.udp_limit, _LONGEST_DATAGRAM) if is_limited else _LONGEST_MESSAGE
        room = max(limit - HEADER_LENGTH - len(query.question), 0)
        fitting = min(len(records), room // len(records[0]))
        truncated = TC if fitting < len(records) else 0
        start = _body(flags | AA | RA | truncated, _NOERROR, query.question, answer_count=fitting)
        held = len(head) * len(records) + _ORDERS * (len(start) + fitting * len(records[0]))
        return Ready(bodies=_shuffled(start, records, fitting, self._rng), size=held)

    def _reverse(self, flags: int, query: Query) -> Ready | Unanswered:
        """Section 4.3."""
        octets = [_label_text(label) for label in query.labels[: -len(_REVERSE)]]
        try:
            address = parse_address(".".join(reversed(octets)))
        except UsageProblem:
            address = None
        if address is None or query.question_count != 1 or query.record_type != TYPE_PTR:
            return _fixed(_body(flags | RA, _NXDOMAIN, query.question))
        hostname = self._names.reverse(address)
        data = encode_name(hostname) if hostname is not None else None
        if data is None:
            return Unanswered.ASK_UPSTREAM
        record = query.wire_name + _RECORD_HEAD.pack(TYPE_PTR, CLASS_IN, self._ttl, len(data)) + data
        return _fixed(_body(flags | AA | RA, _NOERROR, query.question, [record]))


def server_failure(packet: bytes) -> bytes:
    """The answer to a query that nobody upstream has answered (section 4.4, step 3)."""
    flags = _FLAGS.unpack_from(packet, 2)[0] & (RD | CD)
    return packet[:2] + _body(flags | RA, _SERVFAIL, parse_query(packet).question)


def _body(
    flags: int, rcode: int, question: bytes, records: Sequence[bytes] = (), answer_count: int = 0
) -> bytes:
    """A response without its id; `answer_count` is for records that are put behind it later."""
    counts = _COUNTS.pack(1 if question else 0, answer_count or len(records), 0, 0)
    return _FLAGS.pack(QR | flags | rcode) + counts + question + b"".join(records)


def _bare(flags: int, rcode: int) -> Ready:
    """A response of a header only, for what could not be read as a question."""
    return _fixed(_FLAGS.pack(QR | flags & (OPCODE | RD) | rcode) + bytes(_COUNTS.size))


def _fixed(body: bytes) -> Ready:
    return Ready(bodies=repeat(body), size=len(body))


def _shuffled(start: bytes, records: list[bytes], fitting: int, rng: random.Random) -> Iterator[bytes]:
    """Answers with `fitting` of the records, in random order and choice."""
    while True:
        bodies = []
        for _ in range(_ORDERS):
            bodies.append(start + b"".join(rng.sample(records, fitting)))
            yield bodies[-1]
        for _ in range(_ROUNDS - 1):
            yield from bodies


def _is_below(name: tuple[bytes, ...], parent: tuple[bytes, ...]) -> bool:
    """Is a name, in lower case, the parent or below it?"""
    return name[max(len(name) - len(parent), 0) :] == parent


def _label_text(label: bytes) -> str:
    """A label as it stands in a name; a dot inside it must not pass for the end of the label."""
    text = label.decode("utf-8", "surrogateescape")
    return text.replace("\\", "\\\\").replace(".", "\\.")
