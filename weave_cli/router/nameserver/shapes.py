"""The nameserver's one message on the wire (specification dns, section 1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.nameserver.entries import Entry, wire_order
from weave_cli.router.wire.gob_decode import decode_stream
from weave_cli.router.wire.gob_encode import encode_int, encode_stream
from weave_cli.router.wire.gob_scan import read_uint, skip_definitions
from weave_cli.router.wire.gob_types import INT, STRING, UINT, SliceOf, StructOf

_ENTRY: Final = StructOf(
    "Entry",
    (
        ("ContainerID", STRING),
        ("Origin", UINT),
        ("Addr", UINT),
        ("Hostname", STRING),
        ("Version", INT),
        ("Tombstone", INT),
    ),
)
_MESSAGE: Final = StructOf("GossipData", (("Timestamp", INT), ("Entries", SliceOf(_ENTRY))))


def encode_message(timestamp: int, entries: Iterable[Entry]) -> bytes:
    """The octets of a message; the entries must have different identities."""
    fields = [
        {
            "ContainerID": entry.container_id,
            "Origin": entry.origin,
            "Addr": entry.address,
            "Hostname": entry.hostname,
            "Version": entry.version,
            "Tombstone": entry.tombstone,
        }
        for entry in sorted(entries, key=wire_order)
    ]
    return encode_stream((_MESSAGE, {"Timestamp": timestamp, "Entries": fields}))


def decode_message(data: bytes) -> tuple[int, Sequence[Entry]]:
    """The sender's Unix seconds and the entries; raises RemoteProtocolError when it is no such message."""
    (message,) = decode_stream(data, _MESSAGE)
    return message["Timestamp"], [_entry_of(fields) for fields in message["Entries"]]


def split_message(data: bytes) -> tuple[int, bytes] | None:
    """The sender's Unix seconds and all other octets; None for what is not written as everybody writes it.

    Two messages with the same other octets say the same, only at different times.
    """
    place = _place_of_timestamp(data)
    if place is None:
        return None
    number, _ = read_uint(data, place.start)
    return number >> 1, data[: place.start] + data[place.stop :]


def restamp_message(data: bytes, timestamp: int) -> bytes | None:
    """The same message at another time; None when it would be of another length."""
    place = _place_of_timestamp(data)
    octets = encode_int(timestamp)
    # Time 0 is not written at all, as no zero in a struct is.
    if place is None or timestamp == 0 or place.stop - place.start != len(octets):
        return None
    return data[: place.start] + octets + data[place.stop :]


def _place_of_timestamp(data: bytes) -> slice | None:
    try:
        _, type_at = read_uint(data, skip_definitions(data, 0))
        _, field_at = read_uint(data, type_at)
        field, at = read_uint(data, field_at)
        number, end = read_uint(data, at)
    except RemoteProtocolError:
        return None
    return None if field != 1 or number & 1 else slice(at, end)


def _entry_of(fields: dict[str, Any]) -> Entry:
    address = fields["Addr"]
    if address >= 1 << 32:
        raise RemoteProtocolError(f"name record with the address {address}")
    return Entry(
        container_id=fields["ContainerID"],
        origin=PeerName(fields["Origin"]),
        address=address,
        hostname=fields["Hostname"],
        version=fields["Version"],
        tombstone=fields["Tombstone"],
    )
