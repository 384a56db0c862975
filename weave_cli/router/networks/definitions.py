"""Networks that are the same on all hosts, as values: who made one, nobody needs to know. Pure.

In a message, and in the router's database:

    {"shop": {"version": 17, "subnet": "10.32.8.0/24", "options": {}, "internal": false, "removed": false}}

Of two definitions of one name the one with the higher version holds; one that is removed stays as a
tombstone, so that a host which was away does not bring it back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from weave_cli.addresses import parse_subnet
from weave_cli.errors import UsageProblem

LARGEST_VERSION: Final = (1 << 63) - 1
#: So that all of them take little of a message.
MOST_NETWORKS: Final = 1024
_MOST_OPTIONS: Final = 8
_LONGEST_WORD: Final = 64

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What Docker shall be asked to make on each host; `subnet` as `A/P`."""

    version: int
    subnet: str
    options: tuple[tuple[str, str], ...] = ()
    is_internal: bool = False
    is_removed: bool = False

    def overrides(self, other: Definition) -> bool:
        """Everybody comes to the same, in whichever order they hear of both."""
        return (self.version, repr(self)) > (other.version, repr(other))


def next_version(now: float, above: int) -> int:
    """What is said now overrides what bears the version `above`, unless that is the highest that there is.

    `now`: seconds since 1970; versions are milliseconds, for as long as clocks go right.
    """
    return min(max(int(now * 1000), above + 1), LARGEST_VERSION)


def check_name(name: str) -> None:
    """Raises UsageProblem for a name that a network of all hosts cannot have."""
    if not _NAME.fullmatch(name):
        raise UsageProblem(
            f"invalid name of a network: {name!r:.80}", hint="Use up to 63 letters, digits, and . _ - inside."
        )


def realm_key(name: str) -> str:
    """The key of the realm of a network that is the same on all hosts."""
    return f"name:{name}"


def merge_definitions(
    one: Mapping[str, Definition], other: Mapping[str, Definition]
) -> dict[str, Definition]:
    merged = dict(one)
    for name, definition in other.items():
        if name not in merged or definition.overrides(merged[name]):
            merged[name] = definition
    return merged


def encode_definitions(definitions: Mapping[str, Definition]) -> dict[str, Any]:
    return {
        name: {
            "version": one.version,
            "subnet": one.subnet,
            "options": dict(one.options),
            "internal": one.is_internal,
            "removed": one.is_removed,
        }
        for name, one in sorted(definitions.items())
    }


def decode_definitions(table: Any) -> dict[str, Definition]:
    """Raises UsageProblem for what no router of ours says."""
    if not isinstance(table, dict) or len(table) > MOST_NETWORKS:
        raise UsageProblem("definitions of networks that are no table")
    for name in table:
        check_name(name)
    return {name: _read(row) for name, row in table.items()}


def _read(row: Any) -> Definition:
    match row:
        case {
            "version": int(version),
            "subnet": str(subnet),
            "options": dict(options),
            "internal": bool(is_internal),
            "removed": bool(is_removed),
        } if type(version) is int and 0 <= version <= LARGEST_VERSION and _are_words(options):
            return Definition(
                version=version,
                subnet=str(parse_subnet(subnet)),
                options=tuple(sorted(options.items())),
                is_internal=is_internal,
                is_removed=is_removed,
            )
    raise UsageProblem(f"a malformed definition of a network: {row!r:.80}")


def _are_words(options: dict[Any, Any]) -> bool:
    return len(options) <= _MOST_OPTIONS and all(
        isinstance(word, str) and len(word) <= _LONGEST_WORD and word.isprintable()
        for pair in options.items()
        for word in pair
    )
