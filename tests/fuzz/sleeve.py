"""What may come to the UDP port of the mesh: packets, sealed ones, the frames in them, and special frames."""

from __future__ import annotations

from typing import Final

from tests.fuzz.seeds import recorded, with_choice
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.overlay.checksums import internet_checksum
from weave_cli.router.overlay.frame_switch import FrameSwitch
from weave_cli.router.overlay.icmp import fragmentation_needed
from weave_cli.router.overlay.ip_fragments import fragment_frame, ip_header_length
from weave_cli.router.overlay.roles import Neighbour
from weave_cli.router.overlay.sleeve import SleeveConnection
from weave_cli.router.overlay.sleeve_packets import (
    ETHERNET_HEADER_LEN,
    PeerFrame,
    decode_frames,
    encode_frames,
    encode_heartbeat,
    is_special,
    zero_frame,
)
from weave_cli.router.overlay.sleeve_sealing import PacketOpener, PacketSealer

_US, _THEM, _BEHIND = PeerName(1), PeerName(2), PeerName(3)
_KEY: Final = bytes(range(32))
_CONNECTION_UID: Final = 3
_PING: Final = bytes.fromhex(
    "020000000001020000000002"  # Ethernet: to, from
    "0800450000540001400040010000"  # type, IPv4 header up to its checksum
    "0a2000010a200002"
    "0800000000010001"
) + bytes(56)


def seeds() -> list[bytes]:
    frames = [
        PeerFrame(_THEM, _US, _PING),
        PeerFrame(_BEHIND, _US, b"\xff" * 6 + _PING[6:]),
        PeerFrame(_THEM, _US, encode_heartbeat(_CONNECTION_UID)),
        PeerFrame(_THEM, _US, zero_frame(100)),
    ]
    lists = [encode_frames(frames[:count]) for count in range(5)] + [encode_frames([one]) for one in frames]
    sealed = PacketSealer(_KEY, is_initiator=True, sender=b"\0\0\0\0\0\2").seal(lists[1], dont_fragment=True)
    return with_choice([*lists, sealed, *recorded("sleeve-packets")], 3)


def check(data: bytes) -> None:
    choice, octets = (data[0] % 3, data[1:]) if data else (0, b"")
    try:
        match choice:
            case 0:
                _receive(decode_frames(octets))
            case 1:
                opened = PacketOpener(_KEY, is_initiator=False).open(octets)
                _receive(decode_frames(opened or b""))
            case 2:
                sealer = PacketSealer(_KEY, is_initiator=True, sender=b"\0\0\0\0\0\2")
                opener = PacketOpener(_KEY, is_initiator=False)
                packet = sealer.seal(octets, dont_fragment=len(octets) & 1 == 1)
                assert opener.open(packet) == octets
                assert opener.open(packet) is None
                _receive(decode_frames(octets))
    except RemoteProtocolError:
        pass


def _receive(frames: list[PeerFrame]) -> None:
    """As the sleeve process and the router do."""
    assert decode_frames(encode_frames(frames)) == frames
    neighbour = Neighbour(
        conn_id=1, uid=_CONNECTION_UID, name=_THEM, nickname="them", address="10.0.0.2", udp_port=6783
    )
    connection = SleeveConnection(neighbour, us=_US, is_initiator=False, is_sealed=False)
    connection.start(0.0)
    switch = FrameSwitch(_US)
    switch.set_routes({_US: PeerName(0), _THEM: _THEM, _BEHIND: _THEM}, (_THEM,))
    for now, one in enumerate(frames, 1):
        if is_special(one.frame):
            connection.receive_special(one.frame, ("10.0.0.2", 6783), float(now))
        elif len(one.frame) >= ETHERNET_HEADER_LEN:
            switch.received(_THEM, one.source, one.destination, one.frame[:12], float(now))
            switch.captured(one.frame[:6], one.frame[6:12], float(now))
            _check_too_big(one.frame)
        connection.receive_control(now % 5, one.frame, float(now))
        connection.on_wake(float(now * 11))
    while connection.next_event():
        pass
    while switch.next_event():
        pass
    switch.on_wake(10_000.0)


def _check_too_big(frame: bytes) -> None:
    """The pieces of an IPv4 packet are packets, and together they are it; a refusal is a packet too."""
    header = ip_header_length(frame)
    if header is None:
        return
    pieces = fragment_frame(frame, header, header + 64)
    headers = [ip_header_length(piece) for piece in pieces]
    total = int.from_bytes(frame[16:18], "big")
    assert headers == [header] * len(pieces)
    content = b"".join(piece[ETHERNET_HEADER_LEN + header :] for piece in pieces)
    assert content == frame[ETHERNET_HEADER_LEN + header : ETHERNET_HEADER_LEN + total]
    answer = fragmentation_needed(frame, header, 576)
    if answer is not None:
        assert ip_header_length(answer) == 20
        assert internet_checksum(answer[14:34]) == 0 and internet_checksum(answer[34:]) == 0
