"""What fuzzing starts from: octets recorded from Go routers, out of the test vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.vectors.load import load


def recorded(*vectors: str) -> list[bytes]:
    """All octets that stand as hex digits anywhere in these vectors."""
    return sorted({octets for vector in vectors for octets in _octets_in(load(vector))})


def with_choice(seeds: list[bytes], choices: int) -> list[bytes]:
    """Each seed behind each value of the first octet, by which a check chooses what to do."""
    return [bytes((choice,)) + seed for seed in seeds for choice in range(choices)]


def _octets_in(value: Any) -> Iterator[bytes]:
    match value:
        case dict():
            for one in value.values():
                yield from _octets_in(one)
        case list():
            for one in value:
                yield from _octets_in(one)
        case str() if value and len(value) % 2 == 0 and not set(value) - set("0123456789abcdef"):
            yield bytes.fromhex(value)
