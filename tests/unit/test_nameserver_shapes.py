"""Messages of the nameserver against those of Go routers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vectors.load import load
from weave_cli.addresses import parse_address
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, parse_peer_name
from weave_cli.router.mesh.outbox import Outbox
from weave_cli.router.nameserver.entries import Entry, merge_entries
from weave_cli.router.nameserver.gossip import NameGossip
from weave_cli.router.nameserver.shapes import (
    decode_message,
    encode_message,
    restamp_message,
    split_message,
)
from weave_cli.router.wire.frames import MAX_MESSAGE
from weave_cli.router.wire.gob_encode import encode_stream
from weave_cli.router.wire.gob_types import INT, STRING, UINT, SliceOf, StructOf
from weave_cli.router.wire.messages import Tag, decode_gossip

pytestmark = pytest.mark.unit

_NUMBER = st.integers(-(1 << 63), (1 << 63) - 1)
ENTRIES = st.builds(
    Entry,
    container_id=st.text(max_size=5),
    origin=st.integers(0, (1 << 48) - 1).map(PeerName),
    address=st.integers(0, (1 << 32) - 1),
    hostname=st.text(max_size=8),
    version=_NUMBER,
    tombstone=_NUMBER,
)


def entry_of(fields: dict[str, Any]) -> Entry:
    return Entry(
        container_id=fields["ContainerID"],
        origin=parse_peer_name(fields["Origin"]),
        address=parse_address(fields["Addr"]),
        hostname=fields["Hostname"],
        version=fields["Version"],
        tombstone=fields["Tombstone"],
    )


@pytest.mark.parametrize(
    "vector", load("nameserver-gossip")["vectors"], ids=lambda vector: str(vector["name"])
)
def test_messages_of_go_routers_are_read_and_written_again(vector: dict[str, Any]) -> None:
    expected = [entry_of(fields) for fields in vector["decoded"]["Entries"]]
    timestamp, entries = decode_message(bytes.fromhex(vector["hex"]))
    assert (timestamp, entries) == (vector["decoded"]["Timestamp"], expected)
    # Type ids differ from program to program, so what we write is compared by what it says.
    assert decode_message(encode_message(timestamp, reversed(entries))) == (timestamp, expected)


def test_an_address_of_more_than_32_bits_is_refused() -> None:
    entry = StructOf("Entry", (("Addr", UINT), ("Hostname", STRING)))
    message = StructOf("GossipData", (("Timestamp", INT), ("Entries", SliceOf(entry))))
    octets = encode_stream((message, {"Timestamp": 1, "Entries": [{"Addr": 1 << 32, "Hostname": "x."}]}))
    with pytest.raises(RemoteProtocolError, match="4294967296"):
        decode_message(octets)


@given(st.lists(ENTRIES, max_size=5), _NUMBER)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(entries: list[Entry], timestamp: int) -> None:
    unique = merge_entries(entries)
    found, read = decode_message(encode_message(timestamp, unique.values()))
    assert found == timestamp and {entry.identity: entry for entry in read} == unique
    order = [(entry.hostname, entry.origin, entry.container_id, entry.address) for entry in read]
    assert order == sorted(order)


@given(st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_other_octets_are_refused_and_nothing_else(data: bytes) -> None:
    try:
        decode_message(data)
    except RemoteProtocolError:
        pass


@given(st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_damaged_message_is_refused_or_read(position: int, octet: int) -> None:
    whole = bytearray.fromhex(load("nameserver-gossip")["vectors"][3]["hex"])
    whole[position % len(whole)] = octet
    try:
        decode_message(bytes(whole))
    except RemoteProtocolError:
        pass


def test_waiting_gossip_is_stamped_when_it_is_sent_and_a_passed_on_broadcast_is_not() -> None:
    entry = Entry(container_id="c", origin=PeerName(1), address=1, hostname="a.")
    ours, passed_on = NameGossip([entry]), NameGossip([entry], 500)
    assert decode_message(ours.encode(1000.9))[0] == 1000
    assert decode_message(ours.encode(1001.0))[0] == 1001
    assert decode_message(passed_on.encode(1000.0))[0] == 500
    assert decode_message(passed_on.merge(NameGossip([], 600)).encode(1000.0))[0] == 600
    assert decode_message(passed_on.merge(ours).encode(1000.0))[0] == 1000


@given(st.lists(ENTRIES, max_size=5), st.integers(0, 1 << 40), st.integers(0, 1 << 40))
@example([], 1, 0)
def test_a_message_of_another_time_differs_in_its_timestamp_alone(
    entries: list[Entry], timestamp: int, later: int
) -> None:
    unique = merge_entries(entries).values()
    message = encode_message(timestamp, unique)
    moved = restamp_message(message, later)
    assert moved in (encode_message(later, unique), None)
    gossip = NameGossip(unique)
    assert decode_message(gossip.encode(timestamp))[0] == timestamp
    assert gossip.encode(later) == NameGossip(unique).encode(later)
    parts = split_message(message)
    # The zero second is left out, as gob leaves out what is zero.
    assert timestamp == 0 or (parts is not None and parts[0] == timestamp)


def test_merging_leaves_both_operands_as_they_were() -> None:
    old = Entry(container_id="c", origin=PeerName(1), address=1, hostname="a.")
    new = old.buried(7)
    first, second = NameGossip([old]), NameGossip([new])
    assert list(first.merge(second).entries.values()) == [new]
    assert list(first.entries.values()) == [old] and list(second.entries.values()) == [new]


def test_more_names_than_one_message_holds_are_sent_in_several() -> None:
    entries = {
        (entry := long_named(number, "x")).identity: entry  # 13 MB of host names alone
        for number in range(1 << 16)
    }
    small, other = long_named(0, "y"), long_named(1, "y")
    outbox = Outbox(PeerName(1), lambda: None)
    outbox.add_gossip("nameserver", NameGossip(entries.values()))
    outbox.add_broadcast("nameserver", PeerName(2), NameGossip([small, other], timestamp=9))
    *states, last = [(tag, decode_gossip(payload)) for tag, payload in outbox.take(1_800_000_000.0)]
    assert {tag for tag, _ in states} == {Tag.GOSSIP}
    assert max(len(state.data) for _, state in states) < MAX_MESSAGE / 2
    said = [decode_message(state.data) for _, state in states]
    assert {timestamp for timestamp, _ in said} == {1_800_000_000}
    assert merge_entries(*(part for _, part in said)) == entries
    assert last[0] == Tag.BROADCAST
    assert decode_message(last[1].data) == (9, [small, other])


@given(st.lists(ENTRIES, max_size=20))
def test_names_that_fit_are_one_message(entries: list[Entry]) -> None:
    gossip = NameGossip(entries)
    assert list(gossip.split()) == [gossip]


def test_names_that_differ_in_case_only_are_not_parted() -> None:
    """Go routers would keep both, and end by it some day."""
    lower = [long_named(number, "x") for number in range(1 << 15)]
    upper = [long_named(number, "X") for number in range(1 << 15)]
    parts = NameGossip([*lower, *upper]).split()
    assert len(parts) > 1
    assert sum(len(part.entries) for part in parts) == len(lower)


def long_named(number: int, letter: str) -> Entry:
    return Entry(
        container_id="c", origin=PeerName(2), address=number, hostname=f"{letter * 200}{number}.weave.local."
    )
