"""The nameserver's one message on the wire (specification dns, section 1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.nameserver.entries import Entry, wire_order
from weave_cli.router.wire.gob_decode import decode_stream
from weave_cli.router.wire.gob_encode import encode_stream
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
    try:
        _, type_at = read_uint(data, skip_definitions(data, 0))
        _, field_at = read_uint(data, type_at)
        field, at = read_uint(data, field_at)
        number, end = read_uint(data, at)
    except RemoteProtocolError:
        return None
    if field != 1 or number & 1:
        return None
    return number >> 1, data[:at] + data[end:]


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
