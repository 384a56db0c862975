"""Lists of connections as octets and back, quickly. Knows no peer.

Most of what routers tell each other while a mesh grows are these lists, and from one version of a list to the
next one entry changes. An entry in the form that all routers write (specification mesh, section 12.1, each
field sent, none zero but the two marks) is found by a pattern, and each is read only once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

from weave_cli.names import pack_peer_name, unpack_peer_name
from weave_cli.router.mesh.peers import Link
from weave_cli.router.wire.gob_encode import encode_uint

#: Fields count from one before the first: name (6 octets), address, and the two marks when they are set.
_ENTRY: Final = re.compile(
    rb"(?s:\x01\x06.{6}\x01[\x01-\x7f])[!-~]+(?:\x01\x01\x01\x01\x00|\x01\x01\x00|\x02\x01\x00|\x00)"
)
_NAME_AT: Final = 2
_SIZE_AT: Final = 9
_ADDRESS_AT: Final = 10
_MARKS: Final = {
    b"\0": (False, False),
    b"\1\1\0": (True, False),
    b"\1\1\1\1\0": (True, True),
    b"\2\1\0": (False, True),
}
#: A mesh of a few hundred peers has this many entries.
_REMEMBERED: Final = 1 << 16


class UnusualEntry(Exception):
    """An entry that is not in the common form; it may be all right."""


def read_entries(octets: bytes) -> tuple[Link, ...]:
    """The entries behind their count; raises UnusualEntry unless all are in the common form."""
    entries = _ENTRY.findall(octets)
    if sum(map(len, entries)) != len(octets):
        raise UnusualEntry
    return tuple(map(_read_entry, entries))


def write_entries(links: Iterable[Link]) -> bytes:
    """The octets of entries, one after the other."""
    return b"".join(map(_write_entry, links))


@functools.lru_cache(_REMEMBERED)
def _read_entry(octets: bytes) -> Link:
    end = _ADDRESS_AT + octets[_SIZE_AT]
    marks = _MARKS.get(octets[end:])
    if marks is None:
        # Some octets of the address look like marks, or its size says otherwise.
        raise UnusualEntry
    return Link(
        remote=unpack_peer_name(octets[_NAME_AT : _SIZE_AT - 1]),
        address=octets[_ADDRESS_AT:end].decode("ascii"),
        outbound=marks[0],
        established=marks[1],
    )


@functools.lru_cache(_REMEMBERED)
def _write_entry(link: Link) -> bytes:
    address = link.address.encode("utf-8", "surrogateescape")
    octets = bytearray(b"\1\6" + pack_peer_name(link.remote))
    field = 0
    for number, value in ((1, address), (2, link.outbound), (3, link.established)):
        if value:
            octets.append(number - field)
            field = number
            octets += encode_uint(len(address)) + address if number == 1 else b"\1"
    return bytes(octets) + b"\0"
