"""Sleeve packets: octets recorded from Go routers, round trips, replays, and octets that are no packets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.load import load
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName, pack_peer_name
from weave_cli.router.overlay.sleeve_packets import (
    PLAIN_PACKET_OVERHEAD,
    SEALED_PACKET_OVERHEAD,
    PeerFrame,
    decode_frames,
    encode_frames,
    encode_heartbeat,
    is_special,
    path_overhead,
    zero_frame,
)
from weave_cli.router.overlay.sleeve_sealing import PacketOpener, PacketSealer, ReplayWindow

PACKETS: list[dict[str, Any]] = load("sleeve-packets")["vectors"]
PLAIN = [one for one in PACKETS if not one["encrypted"]]
SEALED = [one for one in PACKETS if one["encrypted"]]
KEY = bytes(range(32))
SENDER = bytes.fromhex("7a0000000001")

PEERS = st.integers(0, 2**48 - 1).map(PeerName)
FRAMES = st.lists(st.builds(PeerFrame, PEERS, PEERS, st.binary(max_size=300)), max_size=5)


def frames_of(vector: dict[str, Any]) -> list[PeerFrame]:
    return [
        PeerFrame(
            PeerName(int(one["src_peer"], 16)),
            PeerName(int(one["dst_peer"], 16)),
            bytes.fromhex(one["frame"]),
        )
        for one in vector["frames"]
    ]


@pytest.mark.parametrize("vector", PLAIN, ids=lambda one: one["name"])
def test_plain_packets_are_those_of_go(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["udp_payload"])
    assert bytes.fromhex(vector["sender"]) + encode_frames(frames_of(vector)) == payload
    assert decode_frames(payload[PLAIN_PACKET_OVERHEAD:]) == frames_of(vector)
    assert vector["packet_overhead"] == PLAIN_PACKET_OVERHEAD


@pytest.mark.parametrize("is_initiator", [True, False], ids=["initiator", "acceptor"])
@pytest.mark.parametrize("dont_fragment", [True, False], ids=["DF", "fragmentable"])
def test_sealed_packets_are_those_of_go(is_initiator: bool, dont_fragment: bool) -> None:
    stream = [
        one for one in SEALED if (one["sender_is_tcp_initiator"], one["df"]) == (is_initiator, dont_fragment)
    ]
    assert [one["seq"] for one in stream] == list(range(6))
    key = bytes.fromhex(stream[0]["session_key"])
    sealer = PacketSealer(key, is_initiator=is_initiator, sender=bytes.fromhex(stream[0]["sender"]))
    opener = PacketOpener(key, is_initiator=not is_initiator)
    for vector in stream:
        payload = bytes.fromhex(vector["udp_payload"])
        assert sealer.seal(encode_frames(frames_of(vector)), dont_fragment=dont_fragment) == payload
        opened = opener.open(payload)
        assert opened is not None and decode_frames(opened) == frames_of(vector)
        assert vector["packet_overhead"] == SEALED_PACKET_OVERHEAD


def test_replays_are_dropped_as_go_drops_them() -> None:
    numbers = load("sleeve-replay")["vectors"]
    highest = max(one["seq"] for one in numbers)
    sealer = PacketSealer(KEY, is_initiator=True, sender=SENDER)
    packets = [sealer.seal(b"", dont_fragment=False) for _ in range(highest + 1)]
    opener = PacketOpener(KEY, is_initiator=False)
    for vector in numbers:
        packet = packets[vector["seq"]]
        if vector.get("corrupted"):
            with pytest.raises(RemoteProtocolError):
                opener.open(packet[:-1] + bytes([packet[-1] ^ 1]))
        else:
            assert (opener.open(packet) is not None) == bool(vector["frames_delivered"])


def test_a_forged_number_does_not_move_the_window() -> None:
    sealer = PacketSealer(KEY, is_initiator=True, sender=SENDER)
    opener = PacketOpener(KEY, is_initiator=False)
    with pytest.raises(RemoteProtocolError):
        opener.open(SENDER + b"\x7f" + bytes([255]) * 7 + bytes(40))
    assert opener.open(sealer.seal(b"", dont_fragment=False)) == b""


def test_streams_and_directions_do_not_see_each_others_numbers() -> None:
    ours = PacketSealer(KEY, is_initiator=True, sender=SENDER)
    theirs = PacketSealer(KEY, is_initiator=False, sender=SENDER)
    opener = PacketOpener(KEY, is_initiator=False)
    assert opener.open(ours.seal(b"", dont_fragment=False)) == b""
    assert opener.open(ours.seal(b"", dont_fragment=True)) == b""
    with pytest.raises(RemoteProtocolError, match="does not open"):
        opener.open(theirs.seal(b"", dont_fragment=True))


@given(FRAMES)
def test_frames_survive_the_packet(frames: list[PeerFrame]) -> None:
    assert decode_frames(encode_frames(frames)) == frames


@given(FRAMES, st.booleans(), st.booleans())
def test_frames_survive_the_seal(frames: list[PeerFrame], is_initiator: bool, dont_fragment: bool) -> None:
    sealer = PacketSealer(KEY, is_initiator=is_initiator, sender=SENDER)
    opener = PacketOpener(KEY, is_initiator=not is_initiator)
    payload = sealer.seal(encode_frames(frames), dont_fragment=dont_fragment)
    assert opener.open(payload) == encode_frames(frames)
    assert opener.open(payload) is None


@given(st.binary(max_size=200))
def test_no_octets_do_harm(octets: bytes) -> None:
    for read in (decode_frames, PacketOpener(KEY, is_initiator=True).open):
        try:
            read(octets)
        except RemoteProtocolError:
            pass


@given(FRAMES.filter(bool), st.integers(1, 13))
def test_a_cut_packet_is_refused(frames: list[PeerFrame], missing: int) -> None:
    octets = encode_frames(frames)[:-missing]
    if octets != encode_frames(frames[:-1]):
        with pytest.raises(RemoteProtocolError):
            decode_frames(octets)


class SetOfNumbers:
    """What a replay window means, said with a set of all numbers."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._forgotten_below = 0

    def admit(self, number: int) -> bool:
        if number in self._seen or number >> 20 < self._forgotten_below:
            return False
        self._seen.add(number)
        self._forgotten_below = max(self._forgotten_below, (number >> 20) - 1)
        return True


_EDGES = st.integers(0, 5).flatmap(lambda window: st.integers(-3, 3).map(lambda step: (window << 20) + step))


@given(st.lists(st.one_of(_EDGES.filter(lambda number: number >= 0), st.integers(0, 2**63 - 1)), max_size=60))
def test_replay_windows_are_a_set_with_two_windows_of_memory(numbers: list[int]) -> None:
    window, naive = ReplayWindow(), SetOfNumbers()
    assert [window.admit(one) for one in numbers] == [naive.admit(one) for one in numbers]


def test_overheads_are_those_of_the_specification() -> None:
    assert (path_overhead(False), path_overhead(True)) == (62, 86)


def test_special_frames_are_told_by_their_header() -> None:
    assert is_special(encode_heartbeat(7)) and is_special(zero_frame(14))
    assert not is_special(zero_frame(13))
    assert not is_special(bytes(12) + b"\x08\x00" + bytes(40))
    assert encode_heartbeat(0x1122334455667788)[14:].hex() == "1122334455667788"


def test_the_sender_stands_in_clear() -> None:
    payload = PacketSealer(KEY, is_initiator=True, sender=SENDER).seal(b"", dont_fragment=True)
    assert payload[:6] == pack_peer_name(0x7A0000000001) and payload[6] == 0x80
