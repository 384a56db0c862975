"""News of channel `networks` at a router that has a realm and a network; what it says then, others take."""

from __future__ import annotations

from tests.fakes.directory import Everybody
from tests.fuzz.seeds import with_choice
from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.mesh.gossip import GossipData
from weave_cli.router.networks.channel import NetworkChannel
from weave_cli.router.networks.definitions import LARGEST_VERSION, Definition
from weave_cli.router.networks.news import NetworkNews, Presence, decode_news

_US, _THEM = PeerName(0x7A0000000001), PeerName(0x7A0000000002)
_NOW = 1_450_000_000.0


class _Listener:
    """Keeps what is broadcast, which peers have to take."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        raise AssertionError("nobody is spoken to alone")

    def gossip(self, data: GossipData) -> None:
        raise AssertionError("news go to everybody")

    def broadcast(self, data: GossipData) -> None:
        self.heard.append(data.encode(_NOW))


def seeds() -> list[bytes]:
    networks = {
        "shop": Definition(version=17, subnet="10.32.8.0/24", options=(("mtu", "1400"),)),
        "bank": Definition(version=LARGEST_VERSION, subnet="10.32.9.0/24", is_internal=True, is_removed=True),
    }
    news = [
        NetworkNews({_THEM: Presence(5, frozenset({0xB198F4, 7}))}),
        NetworkNews({_US: Presence(LARGEST_VERSION, frozenset({9}))}, networks),
        NetworkNews({}, {"own": Definition(version=LARGEST_VERSION, subnet="10.32.7.0/24")}),
    ]
    raw = [b"{}", b"[]", b'{"peers": [1]}', b'{"later": 1}', b'{"peers": ' + b"[" * 900]
    return with_choice([*(one.encode(_NOW) for one in news), *raw], 3)


def check(data: bytes) -> None:
    channel = NetworkChannel(_US, Everybody())
    listener = _Listener()
    channel.attach(listener)
    channel.set_ours({9}, _NOW)
    own = Definition(version=0, subnet="10.32.7.0/24")
    channel.define("own", own, _NOW)
    choice, octets = data[:1], data[1:]
    try:
        if choice == b"\0":
            channel.on_unicast(_THEM, octets, _NOW)
            passed_on = None
        else:
            receive = channel.on_gossip if choice == b"\1" else lambda *one: channel.on_broadcast(_THEM, *one)
            passed_on = receive(octets, _NOW)
        told = decode_news(octets)
    except RemoteProtocolError:
        return
    assert channel.on_gossip(octets, _NOW) is None, "what is known is no news"
    assert told.merge(told) == told
    state = channel.complete_state(_NOW)
    assert state is not None
    for one in (told, passed_on, state):
        if one is not None:
            assert decode_news(one.encode(_NOW)) == one
    # Whatever they said, our own word still counts here, and can be heard by others.
    assert channel.holders(9) >= {_US}
    channel.set_ours({9, 10}, _NOW)
    channel.define("own", own, _NOW)
    assert channel.holders(10) >= {_US}
    channel.members()
    for said in listener.heard:
        decode_news(said)
    channel.peers_forgotten([_THEM])
