"""One question to weaveDNS for the addresses of a name, over UDP, and over TCP when the answer is long.

It does without dnspython, whose import alone takes half as long as a command that only asks may last.

    question  id | flags 0x0100 | 1 0 0 0 | name | type A 1 | class IN 1        (RFC 1035, section 4)
    answer    id | flags | counts of questions, answers, others | questions | answers: name, type, class, TTL,
              length, octets
"""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Final

_PORT: Final = 53
_HEAD: Final = struct.Struct("!6H")
_RECORD: Final = struct.Struct("!HHIH")
_LENGTH: Final = struct.Struct("!H")
_TYPE_A: Final = 1
_CLASS_IN: Final = 1
_IS_ANSWER: Final = 0x8000
_IS_CUT: Final = 0x0200
_RECURSION_DESIRED: Final = 0x0100
_LONGEST_LABEL: Final = 63
_LONGEST_NAME: Final = 253
_MOST_OCTETS: Final = 65535
_POINTER: Final = 0xC0


class BadName(ValueError):
    """No name of DNS can be spelt so."""


class BadAnswer(ValueError):
    """The answer is not what RFC 1035 says; the text tells why."""


def ask_addresses(name: str, server: str, *, timeout_s: float) -> list[str]:
    """The addresses, in the order of the answer; empty for an unknown name.

    Raises BadName, BadAnswer, TimeoutError, and OSError when nobody listens there.
    """
    ident = int.from_bytes(os.urandom(2), "big")
    question = make_question(name, ident)
    answer = _ask_by_datagram(question, ident, server, timeout_s)
    if read_head(answer)[1] & _IS_CUT:
        answer = _ask_by_stream(question, server, timeout_s)
    return read_addresses(answer, ident)


def make_question(name: str, ident: int) -> bytes:
    """The octets of the question; raises BadName."""
    return (
        _HEAD.pack(ident, _RECURSION_DESIRED, 1, 0, 0, 0)
        + _spell(name)
        + struct.pack("!HH", _TYPE_A, _CLASS_IN)
    )


def read_head(octets: bytes) -> tuple[int, int]:
    """Id and flags of an answer; raises BadAnswer."""
    if len(octets) < _HEAD.size:
        raise BadAnswer("the answer is too short")
    ident, flags, *_ = _HEAD.unpack_from(octets)
    if not flags & _IS_ANSWER:
        raise BadAnswer("the answer is a question")
    return ident, flags


def read_addresses(octets: bytes, ident: int) -> list[str]:
    """The IPv4 addresses among the answers; raises BadAnswer."""
    if read_head(octets)[0] != ident:
        raise BadAnswer("the answer is to another question")
    _, _, questions, answers, *_ = _HEAD.unpack_from(octets)
    place, found = _HEAD.size, []
    try:
        for _ in range(questions):
            place = _skip_name(octets, place) + 4
        for _ in range(answers):
            place = _skip_name(octets, place)
            kind, of_class, _, length = _RECORD.unpack_from(octets, place)
            place += _RECORD.size
            if len(octets) < place + length:
                raise BadAnswer("the answer is cut off")
            if (kind, of_class, length) == (_TYPE_A, _CLASS_IN, 4):
                found.append(socket.inet_ntoa(octets[place : place + length]))
            place += length
    except (IndexError, struct.error) as problem:
        raise BadAnswer("the answer is cut off") from problem
    return found


def _spell(name: str) -> bytes:
    """Labels with their lengths, and the root."""
    whole = name.removesuffix(".")
    try:
        labels = [label.encode("ascii") for label in whole.split(".")] if whole else []
    except UnicodeEncodeError as problem:
        raise BadName("it has letters beyond ASCII") from problem
    if not all(0 < len(label) <= _LONGEST_LABEL for label in labels):
        raise BadName(f"parts between dots have 1 to {_LONGEST_LABEL} letters")
    if len(whole) > _LONGEST_NAME:
        raise BadName(f"it is longer than {_LONGEST_NAME} letters")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _skip_name(octets: bytes, place: int) -> int:
    """Where the name ends that begins here; raises IndexError when it does not."""
    while length := octets[place]:
        if length & _POINTER:
            return place + 2
        place += 1 + length
    return place + 1


def _ask_by_datagram(question: bytes, ident: int, server: str, timeout_s: float) -> bytes:
    """Passes over what answers another question: somebody may send to our port."""
    until = time.monotonic() + timeout_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.connect((server, _PORT))
        opened.send(question)
        while (left := until - time.monotonic()) > 0:
            opened.settimeout(left)
            answer = opened.recv(_MOST_OCTETS)
            if answer[:2] == _LENGTH.pack(ident):
                return answer
    raise TimeoutError


def _ask_by_stream(question: bytes, server: str, timeout_s: float) -> bytes:
    with socket.create_connection((server, _PORT), timeout_s) as opened:
        opened.sendall(_LENGTH.pack(len(question)) + question)
        (length,) = _LENGTH.unpack(_receive(opened, _LENGTH.size))
        return _receive(opened, length)


def _receive(opened: socket.socket, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        more = opened.recv(count - len(octets))
        if not more:
            raise BadAnswer("the answer is cut off")
        octets += more
    return octets
