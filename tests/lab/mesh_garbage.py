"""Sends garbage to the ports of another host's router; a program for the inside of a lab host.

    python -m tests.lab.mesh_garbage tcp ADDRESS             connections that say wrong things until refused
    python -m tests.lab.mesh_garbage hold ADDRESS            strangers who say nothing; ends when it is killed
    python -m tests.lab.mesh_garbage udp ADDRESS NAME NAME   packets to both ports; peer names: ours, theirs

Seeds are fixed. `tcp` fails when a connection is neither refused nor ended within 20 s.
"""

from __future__ import annotations

import errno
import random
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

from weave_cli.names import MESH_PORT, PeerName, pack_peer_name, parse_peer_name
from weave_cli.router.ipam.shapes import CHANNEL as ADDRESS_CHANNEL
from weave_cli.router.mesh.topology_channel import CHANNEL as TOPOLOGY_CHANNEL
from weave_cli.router.nameserver.registry import CHANNEL as NAME_CHANNEL
from weave_cli.router.overlay.device_macs import overlay_mac
from weave_cli.router.overlay.heartbeat import ETHERTYPE, Heartbeat, HeartbeatKind, encode_heartbeat
from weave_cli.router.overlay.vxlan_header import VXLAN_HEADER
from weave_cli.router.wire.frames import frame_message
from weave_cli.router.wire.intro import HIGHEST_VERSION, PROTOCOL_MAGIC, Features
from weave_cli.router.wire.messages import Gossip, Tag, Unicast, encode_gossip, encode_unicast

CONNECTIONS: Final = 400
CHUNKS: Final = 25
PACKETS: Final = 10_000
STRANGERS: Final = 250

_HEADER: Final = PROTOCOL_MAGIC + bytes((HIGHEST_VERSION, HIGHEST_VERSION))
_CHANNELS: Final = (TOPOLOGY_CHANNEL, ADDRESS_CHANNEL, NAME_CHANNEL, "no such channel")
#: Longer than the router's patience with a stranger.
_PATIENCE_S: Final = 20.0


def attack_tcp(address: str, rng: random.Random) -> None:
    """Every connection says something wrong, then goes on with noise until it is refused or has no more."""
    openings: tuple[Callable[[random.Random], bytes], ...] = (
        lambda rng: rng.randbytes(rng.randrange(7, 2000)),
        lambda _: b"GET / HTTP/1.1\r\nHost: weave\r\n\r\n",
        lambda _: PROTOCOL_MAGIC + b"\x03\x03",
        lambda _: PROTOCOL_MAGIC + b"\x01\x01",
        lambda rng: _HEADER + b"\x01" + rng.randbytes(100),
        lambda rng: _HEADER + bytes((rng.randrange(2, 256),)),
        lambda _: _HEADER + b"\x00\xff\xff\xff\xff",
        lambda rng: _HEADER + b"\x00" + frame_message(rng.randbytes(rng.randrange(1, 500))),
        lambda rng: _introduction(rng) + b"\xff\xff\xff\xff",
        lambda rng: _introduction(rng) + frame_message(_message(rng)),
    )
    for number in range(CONNECTIONS):
        with socket.create_connection((address, MESH_PORT), timeout=_PATIENCE_S) as opened:
            try:
                opened.sendall(openings[number % len(openings)](rng))
                for _ in range(CHUNKS):
                    # High octets first: to whoever takes it for a length, it is too long.
                    opened.sendall(b"\xff" * 4 + rng.randbytes(rng.randrange(1, 1400)))
                # Noise may begin like something long, whose rest a router waits for as long as for anybody's.
                opened.shutdown(socket.SHUT_WR)
                while opened.recv(65536):
                    pass
            except (ConnectionResetError, BrokenPipeError):
                pass
            except OSError as problem:
                if problem.errno != errno.ENOTCONN:  # refused before it was closed
                    raise


def hold_connections(address: str) -> None:
    """More strangers than the router takes; says `holding` once all have come."""
    held = [socket.create_connection((address, MESH_PORT), timeout=_PATIENCE_S) for _ in range(STRANGERS)]
    sys.stdout.write(f"holding {len(held)}\n")
    sys.stdout.flush()
    time.sleep(3600)


def _sleeve_frame(rng: random.Random, source: PeerName, destination: PeerName) -> bytes:
    """One frame in a good list, special ones among them; its length may be wrong."""
    frame = rng.choice((bytes(14), b"")) + rng.randbytes(rng.randrange(0, 1300))
    length = len(frame) if rng.random() < 0.7 else rng.getrandbits(16)
    return pack_peer_name(source) + pack_peer_name(destination) + length.to_bytes(2, "big") + frame


def _introduction(rng: random.Random) -> bytes:
    """A stranger whom the router has to believe."""
    name = PeerName(rng.getrandbits(48) | 2 << 40)
    features = Features(
        name=name, nickname="stranger", uid=rng.getrandbits(64), conn_id=rng.getrandbits(64), short_id=7
    )
    return _HEADER + b"\x00" + frame_message(features.encode())


def _message(rng: random.Random) -> bytes:
    data, channel = rng.randbytes(rng.randrange(1000)), rng.choice(_CHANNELS)
    source, destination = (PeerName(rng.getrandbits(48)) for _ in range(2))
    payloads: tuple[tuple[int, bytes], ...] = (
        (rng.randrange(256), data),
        (Tag.GOSSIP, encode_gossip(Gossip(channel, source, data))),
        (Tag.BROADCAST, encode_gossip(Gossip(channel, source, data))),
        (Tag.UNICAST, encode_unicast(Unicast(channel, source, destination, data))),
        (Tag.OVERLAY_CONTROL, data),
    )
    tag, payload = rng.choice(payloads)
    return bytes((tag,)) + payload


def attack_udp(address: str, ours: PeerName, theirs: PeerName, rng: random.Random) -> None:
    """Noise and packets in the neighbour's name for sleeve; noise and frames in good headers for VXLAN."""
    frames: tuple[Callable[[], bytes], ...] = (
        lambda: rng.randbytes(rng.randrange(0, 1400)),
        lambda: VXLAN_HEADER + rng.randbytes(rng.randrange(0, 1400)),
        lambda: VXLAN_HEADER + _ethernet(rng, theirs, rng.choice((0x0800, 0x0806, 0x86DD, 0x8100))),
        lambda: VXLAN_HEADER + _ethernet(rng, theirs, ETHERTYPE),
        lambda: VXLAN_HEADER + _heartbeat(rng, ours, theirs),
    )
    packets: tuple[Callable[[], bytes], ...] = (
        lambda: rng.randbytes(rng.randrange(0, 1400)),
        lambda: pack_peer_name(ours) + rng.randbytes(rng.randrange(0, 1400)),
        lambda: pack_peer_name(ours) + _sleeve_frame(rng, ours, theirs),
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        for number in range(PACKETS):
            opened.sendto(packets[number % len(packets)](), (address, MESH_PORT))
            opened.sendto(frames[number % len(frames)](), (address, MESH_PORT + 1))


def _ethernet(rng: random.Random, theirs: PeerName, ethertype: int) -> bytes:
    """To their device, to all, or to anybody; from anybody."""
    destinations = (bytes.fromhex(overlay_mac(theirs).replace(":", "")), b"\xff" * 6, rng.randbytes(6))
    return (
        rng.choice(destinations)
        + rng.randbytes(6)
        + ethertype.to_bytes(2, "big")
        + rng.randbytes(rng.randrange(0, 1300))
    )


def _heartbeat(rng: random.Random, ours: PeerName, theirs: PeerName) -> bytes:
    """Well formed, from a real or an invented peer, for a connection that is not."""
    frame = encode_heartbeat(
        Heartbeat(
            kind=rng.choice(tuple(HeartbeatKind)),
            uid=rng.getrandbits(64),
            sender=rng.choice((ours, theirs, PeerName(rng.getrandbits(48)))),
            destination=theirs,
            number=rng.getrandbits(32),
        ),
        size=rng.randrange(60, 1400),
    )
    return frame[: rng.randrange(14, len(frame))] if rng.random() < 0.2 else frame


def main(words: list[str]) -> None:
    match words:
        case ["tcp", address]:
            attack_tcp(address, random.Random(6783))
        case ["hold", address]:
            hold_connections(address)
        case ["udp", address, ours, theirs]:
            attack_udp(address, parse_peer_name(ours), parse_peer_name(theirs), random.Random(6784))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
